'use strict';
'require baseclass';

// What the daemon takes in each option, so that nothing can be saved that it would refuse. A rule
// gives true or, in words, what is allowed; empty is always right, for it is the default. The
// daemon stays the judge: tests hold each rule against it.

const MOST_CONNECTIONS = 27500;
const MOST_WORKERS = 256;
const MOST_RATE = 10000;
// Services of which it is known how their connections begin.
const GATED = [ 'chat', 'media', 'auto' ];
// Services whose connections a browser can be told from.
const DECOYED = [ 'chat', 'auto' ];
const ON = [ '1', 'on', 'true', 'yes', 'enabled' ];

const every = (text, allowed) => Array.from(text).every(c => allowed.includes(c));
const DIGITS = '0123456789';
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

// A number as every reader of the file takes it: to a shell 010 is eight.
function whole(text, least, most) {
	const plain = text != '' && text.length < 10 && every(text, DIGITS) && (text == '0' || text[0] != '0');

	return plain && +text >= least && +text <= most;
}

function isIPv4(text) {
	const parts = text.split('.');

	return parts.length == 4 && parts.every(part => whole(part, 0, 255));
}

// Groups of an IPv6 address, whose end may be written as an IPv4 address; null where they are none.
function groups(text) {
	if (text == '')
		return [];

	const parts = text.split(':');
	const end = parts[parts.length - 1];

	if (end.includes('.')) {
		if (!isIPv4(end))
			return null;

		const [ a, b, c, d ] = end.split('.').map(Number);

		parts.splice(-1, 1, (a * 256 + b).toString(16), (c * 256 + d).toString(16));
	}

	const right = parts.every(part => part.length > 0 && part.length < 5 && every(part.toLowerCase(), DIGITS + 'abcdef'));

	return right ? parts.map(part => parseInt(part, 16)) : null;
}

// The eight groups of an IPv6 address, or null.
function parseIPv6(text) {
	const halves = text.split('::');

	if (halves.length > 2 || (halves.length == 2 && halves[0].includes('.')))
		return null;

	const sides = halves.map(groups);

	if (sides.includes(null))
		return null;

	if (sides.length == 1)
		return sides[0].length == 8 ? sides[0] : null;

	const missing = 8 - sides[0].length - sides[1].length;

	return missing > 0 ? [ ...sides[0], ...new Array(missing).fill(0), ...sides[1] ] : null;
}

// A DNS name as it stands in a URL. Where its last label is a number it was meant as an address.
function isName(text) {
	const labels = text.split('.');
	const right = label => label.length > 0 && label.length < 64 && every(label, LETTERS + DIGITS + '-')
		&& !label.startsWith('-') && !label.endsWith('-');

	return text.length <= 253 && labels.every(right) && !every(labels[labels.length - 1], DIGITS);
}

// The IPv4 address that groups of IPv6 stand for, or null.
function mapped(six) {
	return six.slice(0, 6).join() == '0,0,0,0,0,65535' ? [ six[6] >> 8, six[6] & 255, six[7] >> 8, six[7] & 255 ].join('.') : null;
}

// One address of an interface: not all of them, not one of many.
function isOneAddress(text) {
	if (isIPv4(text))
		return text != '0.0.0.0' && text != '255.255.255.255' && !whole(text.split('.')[0], 224, 239);

	const six = parseIPv6(text);

	if (!six)
		return false;

	// An IPv4 address within IPv6 is that IPv4 address.
	if (mapped(six) != null)
		return isOneAddress(mapped(six));

	return six[0] < 0xff00 && six.some(group => group != 0);
}

// The daemon refuses values that UCI cannot write on one line in one kind of quotes.
function isPath(text) {
	return text.startsWith('/') && !text.endsWith('/') && !text.includes('\\') && !text.includes('\n')
		&& !(text.includes('"') && text.includes('\''));
}

// Host and port, the host without brackets; null where it is neither.
function split(text) {
	const colon = text.lastIndexOf(':');
	const host = text.slice(0, Math.max(0, colon));
	const inner = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : null;
	const right = inner == null ? isIPv4(host) || isName(host) : parseIPv6(inner) != null;

	return right && whole(text.slice(colon + 1), 1, 65535) ? [ inner ?? host, +text.slice(colon + 1) ] : null;
}

// Whether an address is of a home, or of the router itself.
function isAtHome(address) {
	if (isIPv4(address)) {
		const [ a, b ] = address.split('.').map(Number);

		return a == 10 || a == 127 || (a == 192 && b == 168) || (a == 172 && b >> 4 == 1);
	}

	const six = parseIPv6(address);

	return isLoopback(address) || six[0] >> 9 == 0xfc >> 1 || (mapped(six) != null && isAtHome(mapped(six)));
}

function isLoopback(address) {
	const six = parseIPv6(address) ?? [];

	return (mapped(six) ?? address).startsWith('127.') || six.join() == '0,0,0,0,0,0,0,1';
}

// A page or a web server, but not LuCI's.
function isDecoy(text) {
	const [ host, port ] = split(text) ?? [];

	if (host == null)
		return isPath(text) && text.endsWith('.html');

	return isOneAddress(host) && isAtHome(host) && !(isLoopback(host) && [ 80, 443 ].includes(port));
}

// Bytes with their unit, as few as a number of 64 bits holds.
function isAmount(text) {
	const digits = Array.from(text).findIndex(c => !DIGITS.includes(c));
	const power = [ 'kb', 'mb', 'gb', 'tb' ].indexOf(text.slice(digits).trimStart().toLowerCase());
	const number = text.slice(0, digits);

	return text == '0' || (digits > 0 && power >= 0 && (number == '0' || number[0] != '0') && +number > 0 && +number < 2 ** 32
		&& BigInt(number) * 1000n ** BigInt(power + 1) < 2n ** 64n);
}

// Two times of the day.
function isHours(text) {
	const parts = text.split('-');
	const minutes = time => {
		const [ hour, minute, ...rest ] = time.split(':');
		const two = part => part?.length == 2 && every(part, DIGITS);

		return !rest.length && two(hour) && two(minute) && minute < 60 ? hour * 60 + +minute : Infinity;
	};

	return parts.length == 2 && minutes(parts[0]) < 1440 && minutes(parts[1]) <= 1440;
}

// `test` on everything but an empty text.
const rule = (test, allowed) => text => (text == null || text === '' || test(String(text))) ? true : allowed();

const port = rule(text => whole(text, 1, 65535), () => _('Enter a port from 1 to 65535.'));

function bindPort(listener) {
	return +listener.bind_port || (+listener.port < 1024 ? +listener.port + 10000 : +listener.port);
}

function isOn(value) {
	return value == null || value === '' || ON.includes(value);
}

// Whether two listeners would bind the same port of an address.
function sameSocket(a, b) {
	return bindPort(a) == bindPort(b) && !(a.bind_address && b.bind_address && a.bind_address != b.bind_address);
}

// Why a listener cannot be beside another one that is switched on, or null.
function clash(listener, other) {
	if (+listener.port == +other.port)
		return _('%s and %s both use the public port %s.').format(other.name, listener.name, listener.port);

	if (sameSocket(listener, other))
		return _('%s and %s would both listen on port %s of the router.').format(other.name, listener.name, bindPort(listener));

	return null;
}

return baseclass.extend({
	port,
	bindPort,
	isOn,
	clash,
	isIPv4,
	parseIPv6,

	seconds: (least, most) => rule(text => whole(text, least, most),
		() => _('Enter whole seconds from %d to %d.').format(least, most)),

	countOrOff: rule(text => whole(text, 0, MOST_CONNECTIONS),
		() => _('Enter a whole number up to %d; 0 means no limit.').format(MOST_CONNECTIONS)),

	rate: rule(text => whole(text, 0, MOST_RATE),
		() => _('Enter a whole number up to %d; 0 means no limit.').format(MOST_RATE)),

	amount: rule(isAmount, () => _('Enter an amount like 50GB, in kB, MB, GB or TB.')),

	dayOfMonth: rule(text => whole(text, 1, 28), () => _('Enter a day from 1 to 28.')),

	hours: rule(isHours, () => _('Enter two times like 07:00-23:00.')),

	connections: rule(text => text == 'auto' || whole(text, 1, MOST_CONNECTIONS),
		() => _('Enter auto or a whole number from 1 to %d.').format(MOST_CONNECTIONS)),

	workers: rule(text => text == 'auto' || whole(text, 1, MOST_WORKERS),
		() => _('Enter auto or a whole number from 1 to %d.').format(MOST_WORKERS)),

	zone: rule(text => text.length <= 32 && every(text, LETTERS + DIGITS + '_-.'),
		() => _('Enter the name of a firewall zone, like wan.')),

	device: rule(text => text.length <= 15 && !'.-'.includes(text[0]) && every(text, LETTERS + DIGITS + '_-.'),
		() => _('Enter the name of a network or a device, like wan.')),

	path: rule(isPath, () => _('Enter the whole path of a file, from the first slash.')),

	host: rule(text => isIPv4(text) || isName(text),
		() => _('Enter a name or an IPv4 address. WhatsApp takes no IPv6 address.')),

	serverName: rule(text => isName(text.startsWith('.') ? text.slice(1) : text),
		() => _('Enter the name of a server, or .example.net for all names that end so.')),

	bindAddress: rule(isOneAddress,
		() => _('Enter one address of this router, or nothing to listen on all of them.')),

	decoy: rule(isDecoy,
		() => _('Enter the whole path of a file that ends in .html, or the address of a web server like 192.168.1.10:80, but not LuCI\'s.')),

	network: rule(text => {
		const [ address, length, ...rest ] = text.split('/');
		const four = isIPv4(address);

		return !rest.length && (four || parseIPv6(address) != null) && (length == null || whole(length, 0, four ? 32 : 128));
	}, () => _('Enter an address or a network like 192.0.2.0/24 or 2001:db8::/32.')),

	hostPort: rule(text => split(text) != null,
		() => _('Enter a name or an address with a port: name:443, 192.0.2.1:443 or [2001:db8::1]:443.')),

	// What is wrong between sections: `listeners` with their names, the names of `upstreams`,
	// whether there is a list `trusted_proxy`, and the section `budget`.
	findings(listeners, upstreams, trusting, budget) {
		const on = listeners.filter(listener => isOn(listener.enabled));
		const list = [];

		if (!on.length)
			list.push(_('No listener is switched on. At least one is needed.'));

		on.forEach((listener, i) => {
			const found = on.slice(0, i).map(other => clash(listener, other)).find(text => text);

			if (found)
				list.push(found);
		});

		for (const { name, accept_proxy } of on)
			if (ON.includes(accept_proxy) && !trusting)
				list.push(_('%s expects a PROXY header. Enter who may send one under General, Trusted senders.').format(name));

		for (const { name, service, tls } of listeners)
			if (service == 'auto' && !ON.includes(tls))
				list.push(_('%s carries chat and media, and needs TLS for that.').format(name));
			else if (service != 'auto' && !upstreams.includes(service))
				list.push(_('%s leads to the upstream %s, which does not exist.').format(name, service || '–'));

		for (const { name, service, gate } of listeners)
			if (gate && gate != 'off' && !GATED.includes(service))
				list.push(_('%s cannot have a gate, for it carries neither chat nor media.').format(name));

		for (const { name, service, tls, decoy } of listeners)
			if (decoy && !(ON.includes(tls) && DECOYED.includes(service)))
				list.push(_('%s cannot have anything for browsers, for it carries no chat over TLS.').format(name));

		if (ON.includes(budget?.family_first) && !(+budget.rate > 0))
			list.push(_('Family first needs a speed, which then gives way.'));

		return list;
	}
});
