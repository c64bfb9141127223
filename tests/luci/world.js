// What the stand-in's router is like, until a test changes it: a proxy that fares well.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { readUci } = require('./uci.js');

const ROOT = path.resolve(__dirname, '../..');

function history() {
	const samples = length => Array.from({ length }, (_, i) => i);
	const wave = (i, size) => Math.round(size * (1.8 + Math.sin(i / 7) + Math.sin(i / 3) / 2));

	return {
		interval_seconds: 5,
		bytes_up: samples(120).map(i => wave(i, 60000)),
		bytes_down: samples(120).map(i => wave(i + 4, 400000)),
		connections: samples(120).map(i => Math.round(12 + 7 * Math.sin(i / 15)))
	};
}

// A proxy that looks at itself, a step for each question; media does not come through.
function doctor() {
	const step = (name, result, what, cause) => ({ name, result, milliseconds: result == 'skipped' ? 0 : 12, what, cause: cause || null });
	const steps = [
		step('configuration', 'ok', 'in use'),
		step('address', 'warning', '192.168.1.2', 'people outside cannot reach 192.168.1.2'),
		step('firewall', 'ok', '4 of 4 rules are loaded'),
		step('media_port', 'failed', 'Connection refused', 'nothing listens there: the proxy is off, or the port is not forwarded to it'),
		step('media_tls', 'skipped', '')
	];
	let ended = steps.length;

	return begin => {
		ended = begin ? 0 : Math.min(ended + 1, steps.length);

		return { running: ended < steps.length, steps: steps.slice(0, ended) };
	};
}

// A month, of which the proxy was off for some days.
function days() {
	const numbers = Array.from({ length: 30 }, (_, i) => i).filter(i => i < 10 || i > 12);

	return numbers.map(i => ({
		date: new Date(Date.UTC(2026, 9, 27 + i)).toISOString().slice(0, 10),
		bytes_up: 2e7 * (i + 3), bytes_down: 1e8 * (i % 7 + 1), connections: 10 * i, people: 2 + i
	}));
}

// The daemon's own example of a status, without what is wrong in it, and what the contract adds.
function healthy() {
	const status = JSON.parse(fs.readFileSync(path.join(ROOT, 'src/control/status.json'), 'utf8'));
	const media = status.upstreams.find(upstream => upstream.name == 'media');

	Object.assign(status, {
		configuration_errors: [],
		service_problems: [],
		port_mapping: null,
		hints: [],
		last_outside_seconds: 180,
		budget: { ...status.budget, pause: null, until: null, until_unix: null, bytes: null },
		today: { bytes_up: 523986010, bytes_down: 2748779069, connections: 412 }
	});
	status.listeners[1].bytes_down = 3221225472;
	status.upstreams[0].addresses[1].health = 'up';
	status.upstreams[0].addresses[1].connect_ms = 31;
	status.upstreams[0].addresses[1].last_error = null;
	Object.assign(media, {
		health: 'up',
		last_error: null,
		addresses: [ { name: 'whatsapp.net:443', address: '157.240.252.60:443', health: 'up', connect_ms: 19, last_error: null } ]
	});

	return status;
}

function newWorld() {
	const config = { waproxy: readUci(path.join(ROOT, 'openwrt/waproxy/files/waproxy.config')), luci: {}, system: {} };

	config.waproxy.main.enabled = '1';

	return {
		config,
		waiting: {},
		session: 'full',
		logd: true,
		answers: true,
		calls: [],
		service: { running: true, boot: true },
		daemon: healthy(),
		daemon_error: null,
		problems: [],
		history: history(),
		days: days(),
		doctor: doctor(),
		share: {
			share: {
				link: 'https://wa.me/proxy?host=proxy.example.org&chatPort=443&mediaPort=587&chatTLS=true',
				host: 'proxy.example.org', chat_port: 443, media_port: 587, chat_tls: true
			},
			host_source: 'option',
			error: null
		},
		check: { errors: [], warnings: [] },
		wan: { ipv4: '93.184.216.34', ipv4_kind: 'public', up_seconds: 864000, host: 'proxy.example.org' },
		action: () => ({ ok: true, message: '' }),
		log: [
			{ msg: 'dnsmasq[1]: not ours', id: 1, priority: 30, source: 0, time: Date.now() - 9000 },
			{ msg: 'waproxy[2131]: listening on port 10443', id: 2, priority: 30, source: 0, time: Date.now() - 8000 },
			{ msg: 'waproxy[2131]: warning: upstream chat: g.whatsapp.net:5222: Temporary failure in name resolution; trying on', id: 3, priority: 27, source: 0, time: Date.now() - 5000 },
			{ msg: 'waproxy: port 587 not open: zone \'wan\' has no address yet', id: 4, priority: 27, source: 0, time: Date.now() - 3000 }
		]
	};
}

module.exports = { newWorld, healthy };
