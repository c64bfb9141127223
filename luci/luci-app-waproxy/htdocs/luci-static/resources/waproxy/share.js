'use strict';
'require baseclass';
'require waproxy.number as number';
'require waproxy.words as words';

// What is told to those who get the link, and what the one who gives it should know first.

const LOCAL_DOMAINS = [ 'local', 'lan', 'home', 'internal', 'localdomain', 'localhost', 'arpa' ];

function octets(host) {
	const parts = String(host).split('.');
	const right = part => part != '' && part.length < 4 && Array.from(part).every(c => c >= '0' && c <= '9') && +part < 256;

	return parts.length == 4 && parts.every(right) ? parts.map(Number) : null;
}

// What kind of host a link leads to: `public`, `name`, or why nobody outside reaches it: `private`,
// `carrier_nat`, `ipv6`, `local_name`.
function hostKind(host) {
	const four = octets(host);

	if (String(host).includes(':'))
		return 'ipv6';

	if (!four) {
		const labels = String(host).toLowerCase().split('.').filter(label => label != '');

		return labels.length < 2 || LOCAL_DOMAINS.includes(labels[labels.length - 1]) ? 'local_name' : 'name';
	}

	const [ a, b, c ] = four;

	if (a == 100 && b >= 64 && b < 128)
		return 'carrier_nat';

	const closed = a == 0 || a == 10 || a == 127 || a >= 224
		|| (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168) || (a == 169 && b == 254)
		|| (a == 192 && b == 0 && c == 2) || (a == 198 && b == 51 && c == 100) || (a == 203 && b == 0 && c == 113);

	return closed ? 'private' : 'public';
}

function hostWarning(host) {
	switch (hostKind(host)) {
	case 'private':
		return _('%s is an address of a home network. Nobody outside can reach it.').format(host);
	case 'carrier_nat':
		return _('%s is an address inside your provider\'s network. Nobody outside can reach it.').format(host);
	case 'ipv6':
		return _('%s is an IPv6 address, and WhatsApp takes none. Enter a name or an IPv4 address under Settings.').format(host);
	case 'local_name':
		return _('The name %s is known in your home network only.').format(host);
	default:
		return null;
	}
}

// What is wrong with sharing now, worst first. `answer` is that of `share`, `status` that of
// `status`; `wan` and `firewall` (whether ports are opened) may be null.
function warnings(answer, status, wan, firewall) {
	const { daemon } = status;
	const { share } = answer;
	const list = [];
	const add = (level, text, lines) => list.push({ level, text, lines: lines || [] });

	// Of one that does not run or is about to stop, as the overview has it.
	if (daemon?.state != 'running') {
		const { level, title } = words.state(status, wan, null, 0);

		add(level == 'off' ? 'bad' : level, _('%s. The link works only while the proxy runs.').format(title));
	}

	if (share) {
		const ports = number.list([ share.chat_port, share.media_port ].filter((port, i, all) => all.indexOf(port) == i).map(String));
		const warning = hostWarning(share.host);

		if (warning)
			add('bad', warning);
		else if (daemon)
			list.push(...words.reach(daemon, wan, ports));

		if (firewall === false)
			add('warn', _('The firewall is left alone. You have to open and forward these ports yourself: %s.').format(ports));

		if ([ 'wan', 'gateway' ].includes(answer.host_source) && !warning)
			add('note', _('Your provider may change the address %s at any time, and then the link works no more. A dynamic DNS name stays.').format(share.host));
	}

	if (daemon?.service_problems?.length)
		add('warn', _('Not everything could be set up on the router:'), daemon.service_problems);

	return list;
}

// Why there is no link, from the error of `share`.
function nothing(error) {
	switch (error) {
	case 'no_host':
		return { level: 'bad', text: _('There is no link to share: the router has no Internet address. Enter a name or an address under Settings, or wait for one.'), lines: [] };
	case 'not_running':
	case 'no_answer':
		return { level: 'bad', text: _('There is no link to share while the proxy does not answer.'), lines: [] };
	default:
		return { level: 'bad', text: _('There is no link to share. This is what the proxy says:'), lines: [ error ] };
	}
}

// The values to enter by hand: [ name, value ].
function values(share) {
	return [
		[ _('Proxy host'), share.host ],
		[ _('Chat port'), String(share.chat_port) ],
		[ _('Use TLS for chat'), words.yes(share.chat_tls) ],
		[ _('Media port'), String(share.media_port) ]
	];
}

// Plain text for the one who gets the link.
function letter(share) {
	return [
		_('With this link WhatsApp works even where it is blocked. Your messages then go through my router. They stay encrypted: I cannot read them.'),
		share.link,
		_('Open the link on your phone. WhatsApp shows the proxy: save it, and wait for the green check mark.'),
		_('By hand on Android: in WhatsApp open Settings, Storage and data, Proxy. Turn on Use proxy and tap Set proxy.'),
		_('By hand on an iPhone: in WhatsApp open Settings, Storage and Data, Proxy. Turn on Use Proxy and fill in the form.'),
		values(share).map(([ name, value ]) => '%s: %s'.format(name, value)).join('\n'),
		_('If it does not connect, tell me. The address may have changed.')
	].join('\n\n');
}

return baseclass.extend({ hostKind, hostWarning, warnings, nothing, values, letter });
