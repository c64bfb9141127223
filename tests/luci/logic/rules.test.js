'use strict';

// The rules of the form, held against the daemon: what the form lets through the daemon must take,
// and what the daemon takes the form should let through. WAPROXY names the program.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test, after } = require('node:test');
const { spawnSync } = require('node:child_process');
const { load } = require('../module.js');
const { readUci } = require('../uci.js');
const { ROOT } = require('../stand_in.js');

const rules = load('waproxy.rules');
const PROGRAM = process.env.WAPROXY || path.join(ROOT, 'target/debug/waproxy');
const SHIPPED = path.join(ROOT, 'openwrt/waproxy/files/waproxy.config');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'waproxy-rules-'));

after(() => fs.rmSync(folder, { recursive: true }));

// As `uci` writes a value.
const quote = text => `'${text.split('\'').join('\'\\\'\'')}'`;

function write(sections) {
	const lines = Object.values(sections).flatMap(section => [
		`config ${section['.type']} ${quote(section['.name'])}`,
		...Object.entries(section).filter(([ name ]) => !name.startsWith('.')).flatMap(([ name, value ]) =>
			Array.isArray(value) ? value.map(one => `\tlist ${name} ${quote(one)}`) : [ `\toption ${name} ${quote(value)}` ])
	]);

	return `${lines.join('\n')}\n`;
}

// What the daemon says is wrong with sections.
function errors(sections) {
	const file = path.join(folder, 'waproxy');

	fs.writeFileSync(file, write(sections));

	const { status, stderr, error } = spawnSync(PROGRAM, [ 'check', '-c', file ], { encoding: 'utf8' });

	if (error)
		throw error;

	return status == 0 ? [] : stderr.trim().split('\n');
}

// Whether the daemon takes a value of an option.
function takes(section, option, value) {
	const sections = readUci(SHIPPED);

	sections[section][option] = value;

	// Of this option, or of a line that could not be read; what is in a file is another matter.
	return !errors(sections).some(line => line.includes(`, option ${option} `) || /waproxy:\d+: /.test(line));
}

const NUMBERS = [ '0', '1', '2', '59', '60', '61', '120', '121', '256', '257', '300', '301', '3600', '3601', '65535', '65536', '86400', '86401', '27500', '27501',
	'010', '00', '-1', '+1', '1.0', '1e3', '0x10', ' 5', '5 ', 'auto', 'off', 'five', '99999999999', '٥' ];
const ADDRESSES = [ '1.2.3.4', '0.0.0.0', '255.255.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1', '01.2.3.4', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.4 ',
	'::', '::1', '1::', 'fe80::1', 'ff02::1', '2001:db8::1', '2001:DB8::1', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1:2:3:4::5:6:7:8', '1:2:3:4:5:6:7',
	'1:2:3:4:5:6:7:8:9', '1::2::3', ':::', ':1', '1:', '12345::', 'g::', '::1.2.3.4', '::ffff:1.2.3.4', '::ffff:0.0.0.0', '::ffff:224.0.0.1', '::ffff:0:0', '1.2.3.4::',
	'1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3', 'fe80::1%eth0', '[::1]', '::%', '' ];
const NAMES = [ 'a', 'a.b', 'proxy.example.org', 'proxy.example.org.', '.a', 'a..b', '-a.b', 'a-.b', 'a-b.c', 'a_b.c', 'A.B', '1.a', 'a.1', '1', 'xn--p1ai', 'ä.de', 'a b',
	`${'a'.repeat(63)}.b`, `${'a'.repeat(64)}.b`, `${'a.'.repeat(126)}a`, `${'a.'.repeat(127)}a`, 'a/b', 'a:b', '*' ];
const NETWORKS = [ ...ADDRESSES, ...ADDRESSES.slice(0, 3).map(address => `${address}/8`), '1.2.3.4/0', '1.2.3.4/32', '1.2.3.4/33', '2001:db8::/32', '::/0', '::/128', '::/129',
	'1.2.3.4/', '1.2.3.4/8/8', '/8', '1.2.3.4/-1', '1.2.3.4/x', 'a/8' ];
const HOST_PORTS = [ ...[ ...ADDRESSES, ...NAMES ].flatMap(host => [ `${host}:443`, `[${host}]:443` ]), 'a', 'a:', ':443', 'a:0', 'a:65535', 'a:65536', 'a:0443', '[::1]', '[::1]:', '[::1', '::1]:443' ];
const PATHS = [ '/', '/a', '/a/', 'a', '/a b', '/a\'b', '/a"b', '/a\'b"c', '/a\\b', '/ä', '//', './a' ];
const LUCI = [ '127.0.0.1:80', '127.9.9.9:443', '127.0.0.1:8080', '[::1]:80', '[::1]:8080', '[0::1]:443', '[::ffff:127.0.0.1]:80', '[::ffff:7f00:1]:80', '[::FFFF:127.0.0.1]:8080' ];
const HOMES = [ '10.0.0.1', '11.0.0.1', '172.15.0.1', '172.16.0.1', '172.31.255.1', '172.32.0.1', '192.168.1.10', '192.169.1.1', '169.254.1.1', '100.64.0.1', '8.8.8.8',
	'fc00::1', 'fdff::1', 'fe00::1', 'fe80::1', '2a00::1', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '64:ff9b::c0a8:10a' ].flatMap(host => [ `${host}:8080`, `[${host}]:8080` ]);
const AMOUNTS = [ ...NUMBERS, ...[ '0', '1', '50', '05', '', '-1', '1.5', '4294967295', '4294967296' ].flatMap(n => [ 'B', 'kB', 'KB', 'MB', ' GB', 'gb', 'TB', 'TB ', 'G', 'GiB' ].map(unit => n + unit)),
	'18446744TB', '18446745TB' ];
const TIMES = [ '00:00', '07:30', '23:59', '24:00', '24:01', '7:30', '07:60', '07:3', '0730', '07:30:00', '٠٧:٣٠', '+7:30', ' 07:30', '' ];
const HOURS = TIMES.flatMap(from => TIMES.map(to => `${from}-${to}`)).concat('07:00', '07:00-08:00-09:00', '07:00 - 23:00');
const ZONES = [ 'wan', 'WAN_1', 'a-b.c', 'a b', 'a/b', '*', 'ä', 'a'.repeat(32), 'a'.repeat(33), '$(x)', 'a\'b' ];

const CASES = [
	[ 'chat_tls', 'port', rules.port, NUMBERS ],
	[ 'chat_tls', 'bind_port', rules.port, NUMBERS ],
	[ 'main', 'connect_timeout', rules.seconds(1, 60), NUMBERS ],
	[ 'main', 'handshake_timeout', rules.seconds(1, 120), NUMBERS ],
	[ 'main', 'idle_timeout', rules.seconds(1, 86400), NUMBERS ],
	[ 'main', 'half_close_timeout', rules.seconds(1, 3600), NUMBERS ],
	[ 'main', 'drain_timeout', rules.seconds(0, 300), NUMBERS ],
	[ 'main', 'max_connections', rules.connections, NUMBERS ],
	[ 'main', 'workers', rules.workers, NUMBERS ],
	[ 'main', 'max_connections_per_client', rules.countOrOff, NUMBERS ],
	[ 'main', 'max_rate_per_client', rules.countOrOff, NUMBERS ],
	[ 'main', 'max_handshakes', rules.countOrOff, NUMBERS ],
	[ 'budget', 'bytes', rules.amount, AMOUNTS ],
	[ 'budget', 'reset_day', rules.dayOfMonth, [ ...NUMBERS, '28', '29' ] ],
	[ 'budget', 'rate', rules.rate, [ ...NUMBERS, '10000', '10001' ] ],
	[ 'budget', 'hours', rules.hours, HOURS ],
	[ 'main', 'src_zone', rules.zone, ZONES ],
	[ 'main', 'upstream_interface', rules.device, [ ...ZONES, 'pppoe-wan', 'eth0.2', '-a', '.', '..', 'a'.repeat(15), 'a'.repeat(16) ] ],
	[ 'main', 'host', rules.host, [ ...NAMES, ...ADDRESSES ] ],
	[ 'main', 'media_name', rules.serverName, [ ...NAMES, ...ADDRESSES, ...NAMES.map(name => `.${name}`), ...ADDRESSES.slice(0, 3).map(address => `.${address}`) ], true ],
	[ 'main', 'trusted_proxy', rules.network, NETWORKS, true ],
	[ 'main', 'cert', rules.path, PATHS ],
	[ 'main', 'key', rules.path, PATHS ],
	[ 'chat_tls', 'decoy', rules.decoy, [ ...PATHS, ...PATHS.map(path => `${path}.html`), ...HOST_PORTS, ...LUCI, ...HOMES ] ],
	[ 'chat_tls', 'bind_address', rules.bindAddress, ADDRESSES ],
	[ 'chat', 'address', rules.hostPort, HOST_PORTS, true ]
];

for (const [ section, option, rule, values, list ] of CASES)
	test(`the form and the daemon agree on ${option}`, () => {
		for (const value of values) {
			// In a list the daemon splits at blanks, and an element that is empty is none.
			if (list && (value == '' || value.includes(' ')))
				continue;

			assert.equal(rule(value) === true, takes(section, option, list ? [ value ] : value), `${option} '${value}': the form says ${rule(value)}`);
		}
	});

test('a rule says in words what is allowed', () => {
	assert.equal(rules.port('70000'), 'Enter a port from 1 to 65535.');
	assert.equal(rules.seconds(1, 60)('61'), 'Enter whole seconds from 1 to 60.');
	assert.equal(rules.port(''), true);
	assert.equal(rules.port(null), true);
});

// === between sections ===

const SETS = {
	'as shipped': sections => sections,
	'none switched on': sections => {
		for (const name of [ 'chat_tls', 'media_main' ])
			sections[name].enabled = '0';
	},
	'none switched on, in other words': sections => {
		sections.chat_tls.enabled = 'off';
		sections.media_main.enabled = 'disabled';
	},
	'one switched on by its absence': sections => {
		sections.media_main.enabled = '0';
		delete sections.chat_tls.enabled;
	},
	'the same public port': sections => sections.media_main.port = '443',
	'the same public port, one switched off': sections => Object.assign(sections.media_main, { port: '443', enabled: '0' }),
	'the same port of the router': sections => sections.media_main.bind_port = '10443',
	'a port of the router that is another\'s by default': sections => sections.media_main.port = '10443',
	'the same port on different addresses': sections => {
		Object.assign(sections.chat_tls, { bind_address: '192.0.2.1', bind_port: '5000' });
		Object.assign(sections.media_main, { bind_address: '192.0.2.2', bind_port: '5000' });
	},
	'the same port on one address and on all': sections => {
		Object.assign(sections.chat_tls, { bind_address: '192.0.2.1', bind_port: '5000' });
		sections.media_main.bind_port = '5000';
	},
	'a header that nobody may send': sections => sections.chat_tls_lb.enabled = '1',
	'a header that somebody may send': sections => {
		sections.chat_tls_lb.enabled = '1';
		sections.main.trusted_proxy = [ '192.0.2.7' ];
	},
	'an upstream that does not exist': sections => sections.web_plain.service = 'mine',
	'no upstream at all': sections => delete sections.web_plain.service,
	'gates': sections => {
		Object.assign(sections.chat_tls, { gate: 'enforce', service: 'auto' });
		sections.media_main.gate = 'log';
		sections.web_plain.gate = 'off';
	},
	'a gate where it is not known what comes': sections => sections.web_plain.gate = 'log',
	'something for browsers': sections => {
		sections.chat_tls.decoy = '192.168.1.7:80';
		Object.assign(sections.chat_tls_lb, { decoy: '192.168.1.7:80', service: 'auto' });
	},
	'something for browsers without TLS': sections => sections.chat_plain.decoy = '192.168.1.7:80',
	'something for browsers beside media': sections => Object.assign(sections.media_alt, { decoy: '192.168.1.7:80', tls: '1' }),
	'family first': sections => Object.assign(sections.budget, { family_first: '1', rate: '20' }),
	'family first without a rate': sections => sections.budget.family_first = '1',
	'family first with a rate of none': sections => Object.assign(sections.budget, { family_first: 'yes', rate: '0' }),
	'one port for chat and media': sections => sections.chat_tls.service = 'auto',
	'one port for chat and media, TLS in other words': sections => Object.assign(sections.chat_tls, { service: 'auto', tls: 'yes' }),
	'one port for chat and media without TLS': sections => Object.assign(sections.chat_tls, { service: 'auto', tls: '0' }),
	'one port for chat and media, TLS left out': sections => {
		sections.chat_tls.service = 'auto';
		delete sections.chat_tls.tls;
	},
	'one port for chat and media without TLS, switched off': sections => sections.chat_plain.service = 'auto'
};

for (const [ name, change ] of Object.entries(SETS))
	test(`the form and the daemon agree on listeners: ${name}`, () => {
		const sections = readUci(SHIPPED);

		change(sections);

		const of = type => Object.values(sections).filter(section => section['.type'] == type);
		const found = rules.findings(
			of('listener').map(section => ({ ...section, name: section['.name'] })),
			of('upstream').map(section => section['.name']),
			!!sections.main.trusted_proxy,
			sections.budget
		);
		const wrong = errors(sections);

		assert.equal(found.length > 0, wrong.length > 0, `form: ${found.join(' ')} daemon: ${wrong.join(' ')}`);
	});
