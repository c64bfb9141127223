'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { load } = require('../module.js');
const { healthy } = require('../world.js');

const words = load('waproxy.words');
const NOW = 1800000000;
const PUBLIC = { ipv4: '93.184.216.34', ipv4_kind: 'public' };

const answer = (daemon, service) => ({
	service: { running: true, boot: true, enabled: true, ...service },
	daemon: daemon && { ...healthy(), ...daemon },
	daemon_error: daemon ? null : 'not_running',
	problems: []
});
const state = (status, wan = PUBLIC, check = null) => words.state(status, wan, check, NOW);
const all = ({ reasons }) => reasons.map(({ text, lines }) => [ text, ...lines ].join(' ')).join(' ');

test('somebody from outside proves that people can come in', () => {
	const { level, title, reasons } = state(answer({ last_outside_seconds: 180 }));

	assert.deepEqual([ level, title, reasons.length ], [ 'good', 'People can come in', 1 ]);
	assert.equal(reasons[0].text, 'Last connection from outside: 3 minutes ago.');
});

test('who has just come in is told in words that stay', () => {
	const said = [ 0, 4, 59 ].map(words.lastOutside);

	assert.deepEqual(said, new Array(3).fill('Last connection from outside: less than a minute ago.'));
	assert.equal(words.lastOutside(60), 'Last connection from outside: 1 minute ago.');
	assert.match(words.lastOutside(null), /since the proxy started/);
});

test('where people reach the router is told, where they do', () => {
	const told = wan => /address from outside is (.*?)\. /.exec(`${all(state(answer({ last_outside_seconds: 180 }), { up_seconds: 999, ...wan }))} `)?.[1];

	assert.equal(told({ ...PUBLIC, host: '93.184.216.34' }), '93.184.216.34');
	assert.equal(told({ ipv4: '10.0.0.2', ipv4_kind: 'private', host: 'a.example' }), 'a.example');
	assert.equal(told({ ipv4: '10.0.0.2', ipv4_kind: 'private', host: '10.0.0.2' }), undefined);
	assert.equal(told({ ipv4: null, ipv4_kind: 'none', host: null }), undefined);
});

test('without that proof the proxy is ready, and no more is promised', () => {
	for (const last_outside_seconds of [ null, 3 * 86400 ]) {
		const found = state(answer({ last_outside_seconds }));

		assert.deepEqual([ found.level, found.title ], [ 'wait', 'Ready' ]);
		assert.match(all(found), /cannot test that/);
	}
});

test('each kind of address says why nobody can come in', () => {
	for (const [ ipv4_kind, level, text ] of [
		[ 'none', 'bad', /no public Internet address/ ],
		[ 'carrier_nat', 'bad', /carrier-grade NAT/ ],
		[ 'private', 'warn', /Forward these ports from there to this router: 443 and 587\./ ]
	]) {
		const found = state(answer({ last_outside_seconds: null, host: null }), { ipv4_kind });

		assert.equal(found.level, level, ipv4_kind);
		assert.match(all(found), text);
	}
});

test('a visitor proves the address wrong, and a host of one\'s own makes it doubtful', () => {
	const wan = { ipv4_kind: 'carrier_nat', up_seconds: 181 };

	assert.equal(state(answer({ last_outside_seconds: 180 }), wan).level, 'good');
	assert.equal(state(answer({ last_outside_seconds: null, host: 'tunnel.example.org' }), wan).level, 'warn');
});

test('a visitor from before the router got its address proves nothing of it', () => {
	const visited = answer({ last_outside_seconds: 72000, host: null });

	for (const [ ipv4_kind, up_seconds, level ] of [
		[ 'carrier_nat', 71999, 'bad' ], [ 'private', 71999, 'warn' ], [ 'private', 72001, 'good' ], [ 'private', null, 'warn' ], [ 'none', 80000, 'bad' ], [ 'none', null, 'bad' ]
	])
		assert.equal(state(visited, { ipv4_kind, up_seconds }).level, level, `${ipv4_kind} ${up_seconds}`);

	const named = state(answer({ last_outside_seconds: 180, host: 'a.example' }), { ipv4_kind: 'none', up_seconds: null });

	assert.deepEqual([ named.level, named.title ], [ 'warn', 'The proxy runs, but something is wrong' ]);
});

test('a router in front that lets people in stands in nobody\'s way', () => {
	const wan = { ipv4_kind: 'private', up_seconds: 181 };
	const port = (port, error) => ({ port, internal_port: port, external_port: error ? null : port, error });
	const of = (mapping, kind, hints) => state(answer({ last_outside_seconds: null, port_mapping: mapping, address: { kind }, hints }), wan);
	const mapping = { external: '198.41.7.9', error: null, ports: [ port(443, null), port(587, null) ] };

	assert.equal(of(mapping, 'public', []).level, 'wait');
	assert.equal(of(mapping, 'carrier_nat', [ 'no public address either' ]).level, 'warn');

	const some = of({ ...mapping, ports: [ port(443, null), port(587, 'it does not allow that') ] }, 'public', [ 'have it forward 587' ]);

	assert.equal(some.level, 'warn');
	assert.match(all(some), /to this router: 587\. .*have it forward 587/);
	assert.match(all(of({ external: null, error: 'no answer', ports: [] }, 'private', [ 'in vain' ])), /to this router: 443.*in vain/);
	assert.match(all(of(null, 'private', [])), /Settings, Ask the router in front/);
});

test('what is not known of the address is not held against it', () => {
	assert.equal(state(answer({ last_outside_seconds: null }), null).level, 'wait');
});

test('an upstream that is down is bad, one that fails is not yet', () => {
	const [ chat, media ] = healthy().upstreams;
	const alone = state(answer({ upstreams: [ chat, { ...media, health: 'down' } ] }));

	assert.deepEqual([ alone.level, alone.title ], [ 'warn', 'People come in, but something is wrong' ]);
	assert.match(all(alone), /does not answer: Media\. The proxy keeps trying/);
	assert.equal(state(answer({ upstreams: [ { ...media, name: 'mine', health: 'down' } ] })).level, 'bad');

	for (const [ health, level ] of [ [ 'down', 'bad' ], [ 'failing', 'warn' ], [ 'unknown', 'good' ] ])
		assert.equal(state(answer({ upstreams: [ { ...chat, health }, media ] })).level, level, health);
});

test('the daemon\'s own words are shown as they are', () => {
	const found = state(answer({ configuration_errors: [ 'port 70000' ], service_problems: [ 'port 587 not open' ] }));

	assert.equal(found.level, 'warn');
	assert.equal(found.title, 'The proxy runs, but something is wrong');
	assert.match(all(found), /port 70000.*port 587 not open/);
	assert.equal(state(answer({ configuration_errors: [ 'port 70000' ] })).title, 'People come in, but something is wrong');
});

test('a pause is no fault, and says until when', () => {
	const budget = { bytes: 50e9, used_bytes: 50.5e9, until_unix: NOW };
	const found = state(answer({ budget: { ...budget, pause: 'budget' } }));

	assert.deepEqual([ found.level, found.title ], [ 'wait', 'Closed for now' ]);
	assert.match(all(found), /The budget is used up\. People can come in again from January 15, 2027.*\. .* of a budget of .* are used\./);
	assert.match(all(state(answer({ budget: { ...budget, pause: 'hours' } }))), /outside of the hours\. People can come in again from January/);
});

test('what is used of a budget is told, where there is one', () => {
	const budget = { pause: null, bytes: 50e9, used_bytes: 1e9 };

	assert.match(all(state(answer({ budget }))), /of a budget of .* are used\./);
	assert.doesNotMatch(all(state(answer({ budget: { ...budget, bytes: null } }))), /budget/);
	assert.doesNotMatch(all(state(answer({ budget: undefined }))), /budget/);
});

test('a full proxy, a certificate that ends or is not in use are problems', () => {
	const certificate = healthy().certificate;

	for (const daemon of [
		{ connections: { now: 10, peak: 10, cap: 10 } },
		{ certificate: { ...certificate, whose: 'operator', not_after_unix: NOW + 86400 } },
		{ certificate: { ...certificate, error: 'no such file' } },
		{ certificate: { ...certificate, unkept: 'disk full' } }
	])
		assert.equal(state(answer(daemon)).level, 'warn');

	assert.equal(state(answer({ connections: { now: 10, peak: 10, cap: 10 } })).title, 'The proxy is full');
	assert.equal(state(answer({ certificate: null })).level, 'good');
	assert.equal(state(answer({ certificate: { ...certificate, whose: 'proxy', not_after_unix: NOW + 86400 } })).level, 'good');
});

test('what is wrong with the certificate is told in full', () => {
	const { certificate } = healthy();
	const told = more => all(state(answer({ certificate: { ...certificate, ...more } })));

	assert.match(told({ unkept: '/etc/waproxy: no space left' }), /cannot save its certificate, .* no space left/);
	assert.match(told({ error: 'no such file', unkept: 'no space left' }), /not in use: no such file.*cannot save.* no space left/);
	assert.doesNotMatch(told({ unkept: null }), /cannot save/);
});

test('a service without a daemon says which of its troubles it is', () => {
	const dead = (service, more) => state({ ...answer(null, service), ...more });

	assert.equal(dead({ running: false, enabled: false }).title, 'Switched off');
	assert.equal(dead({ running: true }).title, 'Starting');
	assert.equal(dead({ running: true }, { daemon_error: 'no_answer' }).title, 'The proxy does not answer');
	assert.equal(dead({ running: false }).title, 'The proxy does not run');
	assert.match(all(dead({ running: false }, { problems: [ 'no user waproxy' ] })), /no user waproxy/);
	assert.match(all(words.state(answer(null, { running: false }), PUBLIC, { errors: [ 'port \'x\'' ] }, NOW)), /port 'x'/);
});

test('draining is neither running nor stopped', () => {
	assert.equal(state(answer({ state: 'draining' })).title, 'Stopping');
});

test('one that runs though it is switched off is named', () => {
	assert.match(all(state(answer({}, { enabled: false }))), /still runs although it is switched off/);
});

test('of the switch and the start at boot the odd one is named', () => {
	assert.equal(words.odd({ enabled: true, boot: true }), null);
	assert.equal(words.odd({ enabled: false, boot: false }), null);
	assert.match(words.odd({ enabled: true, boot: false }), /not start after a reboot/);
	assert.match(words.odd({ enabled: false, boot: true }), /start at boot is set up already/);
});

test('only actions that make sense are offered', () => {
	assert.deepEqual(words.actions(answer({})), { start: false, stop: true, restart: true, mend: false });
	assert.deepEqual(words.actions(answer({ state: 'draining' })), { start: false, stop: false, restart: true, mend: false });
	assert.deepEqual(words.actions(answer(null, { running: false })), { start: true, stop: false, restart: false, mend: false });
	assert.deepEqual(words.actions(answer(null, { running: false, enabled: false, boot: false })), { start: false, stop: false, restart: false, mend: false });
	assert.equal(words.actions(answer({}, { boot: false })).mend, true);
});

test('reasons are counted and listed', () => {
	assert.equal(words.sum({ rate: 3, cap: 1200 }), 1203);
	assert.equal(words.counts({ rate: 3, cap: 1200, none: 0 }), 'rate: 3\ncap: 1,200');
	assert.equal(words.counts(undefined), '');
});
