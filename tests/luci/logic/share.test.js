'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { load } = require('../module.js');
const { newWorld } = require('../world.js');

const share = load('waproxy.share');
const world = newWorld();
const STATUS = { service: { running: true, boot: true, enabled: true }, daemon: { ...world.daemon, last_outside_seconds: null } };
const PUBLIC = { ipv4_kind: 'public' };

const of = (host, source) => ({ share: { ...world.share.share, host }, host_source: source || 'option', error: null });
const texts = list => list.map(({ text }) => text).join(' ');

test('hosts that nobody outside reaches are known', () => {
	for (const [ host, kind ] of [
		[ '93.184.216.34', 'public' ], [ '172.15.0.1', 'public' ], [ '172.32.0.1', 'public' ], [ '100.63.0.1', 'public' ], [ '100.128.0.1', 'public' ],
		[ '192.168.1.1', 'private' ], [ '10.0.0.1', 'private' ], [ '172.16.0.1', 'private' ], [ '172.31.255.1', 'private' ], [ '127.0.0.1', 'private' ],
		[ '169.254.1.1', 'private' ], [ '192.0.2.7', 'private' ], [ '198.51.100.7', 'private' ], [ '203.0.113.7', 'private' ], [ '0.0.0.0', 'private' ],
		[ '224.0.0.1', 'private' ], [ '255.255.255.255', 'private' ],
		[ '100.64.0.1', 'carrier_nat' ], [ '100.127.255.1', 'carrier_nat' ],
		[ '2001:db8::1', 'ipv6' ], [ '[2001:db8::1]', 'ipv6' ],
		[ 'proxy.example.org', 'name' ], [ 'a.b', 'name' ],
		[ 'router', 'local_name' ], [ 'router.lan', 'local_name' ], [ 'Router.LOCAL', 'local_name' ], [ 'router.home.arpa', 'local_name' ], [ '', 'local_name' ]
	])
		assert.equal(share.hostKind(host), kind, host);
});

test('a good link has no warnings', () => {
	assert.deepEqual(share.warnings(of('proxy.example.org'), STATUS, PUBLIC, true), []);
});

test('a host that cannot work is said to be one', () => {
	for (const [ host, text ] of [
		[ '192.168.1.1', /address of a home network/ ], [ '100.64.0.1', /inside your provider's network/ ], [ '2001:db8::1', /WhatsApp takes none/ ],
		[ 'router.lan', /known in your home network only/ ]
	]) {
		const list = share.warnings(of(host), STATUS, PUBLIC, true);

		assert.equal(list[0].level, 'bad');
		assert.match(list[0].text, text);
	}
});

test('ports that are not open are named', () => {
	const blocked = { ...STATUS, daemon: { ...STATUS.daemon, service_problems: [ 'port 587 not open' ] } };

	assert.deepEqual(share.warnings(of('a.example'), blocked, PUBLIC, true)[0].lines, [ 'port 587 not open' ]);
	assert.match(texts(share.warnings(of('a.example'), STATUS, PUBLIC, false)), /open and forward these ports yourself: 443 and 587\./);
	assert.match(texts(share.warnings(of('a.example'), STATUS, { ipv4_kind: 'private' }, true)), /Another router/);
	assert.match(texts(share.warnings(of('a.example'), STATUS, { ipv4_kind: 'carrier_nat' }, true)), /carrier-grade NAT/);
});

test('one port for both is named once', () => {
	const one = of('a.example');

	one.share.media_port = 443;
	assert.match(texts(share.warnings(one, STATUS, PUBLIC, false)), /yourself: 443\./);
});

test('an address that may change is said to be one', () => {
	assert.match(texts(share.warnings(of('93.184.216.34', 'wan'), STATUS, PUBLIC, true)), /may change the address 93\.184\.216\.34/);
});

test('a link to a proxy that does not run is said to be one', () => {
	const nothing = { share: null, host_source: null, error: 'no_host' };
	const { service } = STATUS;

	for (const [ status, level, text ] of [
		[ { daemon: null, daemon_error: 'no_answer' }, 'bad', 'The proxy does not answer' ],
		[ { daemon: null, daemon_error: 'not_running' }, 'warn', 'Starting' ],
		[ { daemon: null, daemon_error: 'not_running', service: { ...service, running: false } }, 'bad', 'The proxy does not run' ],
		[ { daemon: null, daemon_error: 'not_running', service: { running: false, enabled: false } }, 'bad', 'Switched off' ],
		[ { daemon: { ...world.daemon, state: 'draining' } }, 'warn', 'Stopping' ]
	])
		for (const found of [ of('a.example'), nothing ])
			assert.deepEqual(share.warnings(found, { service, ...status }, null, null),
				[ { level, text: `${text}. The link works only while the proxy runs.`, lines: [] } ]);
});

test('why there is no link is said', () => {
	assert.match(share.nothing('no_host').text, /no Internet address/);
	for (const code of [ 'not_running', 'no_answer' ])
		assert.deepEqual(share.nothing(code).lines, [], code);
	assert.deepEqual(share.nothing('no chat listener').lines, [ 'no chat listener' ]);
});

test('the text for the receiver has everything that is to be entered', () => {
	const letter = share.letter(of('proxy.example.org').share);

	for (const part of [ world.share.share.link, 'Proxy host: proxy.example.org', 'Chat port: 443', 'Use TLS for chat: Yes', 'Media port: 587', 'Android', 'iPhone' ])
		assert.ok(letter.includes(part), part);
});
