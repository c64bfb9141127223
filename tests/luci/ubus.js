// Answers ubus calls over JSON-RPC as uhttpd and rpcd would, from a `world`. Part of the stand-in.
'use strict';

function granted(acls, login) {
	const rights = { ubus: {}, uci: {}, write: login != 'readonly' };

	for (const group of Object.values(acls))
		for (const kind of login == 'readonly' ? [ 'read' ] : [ 'read', 'write' ]) {
			const { ubus = {}, uci = [] } = group[kind] || {};

			Object.entries(ubus).forEach(([ object, methods ]) =>
				rights.ubus[object] = [ ...(rights.ubus[object] || []), ...methods ]);
			uci.forEach(config => rights.uci[config] = kind == 'write' ? 'write' : rights.uci[config] || 'read');
		}

	return rights;
}

class Refused extends Error {
	constructor(code) {
		super(`ubus code ${code}`);
		this.code = code;
	}
}

const DENIED = 6, NOT_FOUND = 4;

// Objects and their methods.
function objects(world, rights) {
	const config = (name, kind) => {
		if (!rights.uci[name] || (kind == 'write' && rights.uci[name] != 'write'))
			throw new Refused(DENIED);

		if (!world.config[name])
			throw new Refused(NOT_FOUND);

		world.staged = world.staged || structuredClone(world.config);

		return world.staged[name];
	};
	const changed = (name, ...change) => (world.waiting[name] = world.waiting[name] || []).push(change);
	const apply = () => {
		Object.assign(world, { config: world.staged || world.config, staged: null, waiting: {} });
		return {};
	};
	const tables = {
		'session': {
			access: ({ scope, object, function: name }) => ({
				access: scope == 'uci'
					? rights.uci[object] == 'write' || (rights.uci[object] == 'read' && name == 'read')
					: (rights[scope]?.[object] || []).includes(name)
			})
		},
		'luci': { getFeatures: () => ({ firewall4: true }), getVersion: () => ({ revision: 'stand-in', branch: '' }) },
		'luci-rpc': { getBoardJSON: () => ({}), getHostHints: () => ({}), getNetworkDevices: () => ({}), getWirelessDevices: () => ({}) },
		'file': {
			list: ({ path: folder }) => ({
				entries: folder.endsWith('view/status/include') ? [ { name: '72_waproxy.js', type: 'file' } ] : []
			})
		},
		'uci': {
			get: ({ config: name }) => ({ values: structuredClone(config(name, 'read')) }),
			changes: () => ({ changes: world.waiting }),
			set: ({ config: name, section, values }) => {
				Object.assign(config(name, 'write')[section], values);
				Object.entries(values).forEach(([ key, value ]) => changed(name, 'set', section, key, value));
				return {};
			},
			add: ({ config: name, type, name: section, values }) => {
				const sections = config(name, 'write');

				section = section || `cfg${Object.keys(sections).length}`;
				sections[section] = {
					'.anonymous': false, '.type': type, '.name': section, '.index': Object.keys(sections).length, ...values
				};
				changed(name, 'add', section, type);
				return { section };
			},
			delete: ({ config: name, section, options }) => {
				const sections = config(name, 'write');

				if (options)
					options.forEach(option => delete sections[section][option]);
				else
					delete sections[section];

				changed(name, 'remove', section);
				return {};
			},
			order: () => ({}),
			apply,
			confirm: () => ({})
		},
		'luci.waproxy': {
			status: async () => ({
				service: { ...world.service, enabled: world.config.waproxy.main.enabled == '1' },
				daemon: await world.daemon, daemon_error: world.daemon_error, problems: world.problems
			}),
			doctor: ({ begin }) => world.doctor(begin),
			days: () => ({ days: world.daemon ? world.days : [] }),
			history: () => world.daemon ? world.history : {},
			share: () => world.share,
			check: () => world.check,
			wan: () => world.wan,
			service: ({ action }) => world.action(action, world)
		}
	};

	if (world.logd)
		tables.log = { read: ({ lines }) => ({ log: world.log.slice(-lines) }) };

	if (world.plugin === false)
		delete tables['luci.waproxy'];

	return tables;
}

// One JSON-RPC call, as uhttpd's ubus module answers it.
async function answer(world, acls, request) {
	const reply = body => ({ jsonrpc: '2.0', id: request.id, ...body });
	const error = (code, message) => reply({ error: { code, message } });

	if (request.method == 'list')
		return reply({ result: [] });

	const [ , object, method, values ] = request.params;

	if (world.session == 'expired')
		return error(-32002, 'Access denied');

	const rights = granted(acls, world.session);
	const found = objects(world, rights)[object];

	world.calls.push({ object, method, values });

	if (object != 'session' && !(rights.ubus[object] || []).includes(method))
		return error(-32002, 'Access denied');

	if (!found)
		return error(-32000, 'Object not found');

	try {
		return reply({ result: [ 0, await found[method](values) ] });
	}
	catch (e) {
		if (!(e instanceof Refused))
			throw e;

		return reply({ result: [ e.code ] });
	}
}

module.exports = { answer, granted, objects, Refused };
