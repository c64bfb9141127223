'use strict';

// What one file says of another: calls and rights, forms and options, menu and views.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { load, RESOURCES } = require('../module.js');
const { readUci } = require('../uci.js');
const { APP, ROOT } = require('../stand_in.js');

const read = (...parts) => fs.readFileSync(path.join(...parts), 'utf8');
const scripts = fs.readdirSync(RESOURCES, { recursive: true }).filter(name => name.endsWith('.js'));
const sorted = list => Array.from(new Set(list)).sort();

// === calls ===

const PLUGIN = read(APP, 'root/usr/share/rpcd/ucode/luci.waproxy');
const ACL = JSON.parse(read(APP, 'root/usr/share/rpcd/acl.d/luci-app-waproxy.json'))['luci-app-waproxy'];

// [ object, method ] of every call that the pages declare.
function declared() {
	return scripts.flatMap(name => Array.from(read(RESOURCES, name).matchAll(/object: '([^']+)',\s*method: '([^']+)'/g), ([ , object, method ]) => [ object, method ]));
}

const ours = sorted(declared().filter(([ object ]) => object == 'luci.waproxy').map(([ , method ]) => method));

test('the plugin has every method that is called, and no other', () => {
	const methods = PLUGIN.slice(PLUGIN.indexOf('const methods = {'));

	assert.deepEqual(ours, sorted(Array.from(methods.matchAll(/^\t(\w+): \{$/gm), ([ , name ]) => name)));
});

test('every call is granted, and nothing else is', () => {
	const granted = { ...ACL.read.ubus };

	for (const [ object, methods ] of Object.entries(ACL.write.ubus))
		granted[object] = [ ...(granted[object] || []), ...methods ];

	for (const [ object, methods ] of Object.entries(granted))
		assert.deepEqual(sorted(methods), sorted(declared().filter(call => call[0] == object).map(call => call[1])), object);

	// LuCI itself grants this to whoever may change anything.
	assert.deepEqual(declared().filter(([ object ]) => !granted[object]), [ [ 'uci', 'apply' ] ]);
	assert.deepEqual([ ACL.read.uci, ACL.write.uci ], [ [ 'waproxy' ], [ 'waproxy' ] ]);
});

test('a login that may only read is granted nothing that changes anything', () => {
	assert.ok(!ACL.read.ubus['luci.waproxy'].includes('service'));
	assert.deepEqual(Object.keys(ACL.read.ubus).sort(), [ 'log', 'luci.waproxy' ]);
});

test('the plugin knows every action', () => {
	const known = /action in \[ ([^\]]+) \]/.exec(PLUGIN)[1].split(', ').map(word => word.slice(1, -1));
	const switched = Array.from(read(RESOURCES, 'waproxy/backend.js').matchAll(/service\(on \? '(\w+)' : '(\w+)'\)/g), ([ , on, off ]) => [ on, off ]).flat();
	const buttons = Array.from(read(RESOURCES, 'view/waproxy/overview.js').matchAll(/this\.button\('(\w+)'/g), ([ , action ]) => action);

	assert.equal(switched.length, 4);
	assert.deepEqual([ ...switched, ...buttons ].filter(action => action != 'mend' && !known.includes(action)), []);
});

// === options ===

// The form as it is built, without a page: { type: { option: { placeholder } } }.
async function formOptions() {
	const found = { waproxy: {}, budget: {}, listener: {}, upstream: {} };
	const option = () => ({ value() {}, depends() {} });
	const form = {
		NamedSection: 'named', GridSection: 'grid',
		Map: class {
			section(kind, name, type) {
				const options = found[kind == 'named' ? type : name];

				return { option: (_, field) => options[field] = option(), handleAdd() {}, renderSectionAdd() {} };
			}

			lookupOption() {}

			renderContents() {}

			async render() {
				return { addEventListener() {} };
			}
		}
	};
	const view = load('view.waproxy.settings', {
		form, E: () => ({}), view: { extend: members => members }, uci: { sections: () => [], get() {} }, dom: {}, ui: {},
		page: { reasons: () => [], root() {}, content() {} }, backend: {}, L: {}
	});

	await view.render([ null, null, {} ]);

	// What stands for an option of another section is no option of its own.
	const shipped = readUci(path.join(ROOT, 'openwrt/waproxy/files/waproxy.config'));

	for (const [ name, { ucisection, ucioption } ] of Object.entries(found.waproxy))
		if (ucisection) {
			assert.ok(found[shipped[ucisection]['.type']][ucioption], name);
			delete found.waproxy[name];
		}

	return found;
}

// What the daemon reads: { type: [ option ] }.
function daemonOptions() {
	const text = read(ROOT, 'src/config/raw.rs');

	return Object.fromEntries([ [ 'waproxy', 'RawMain' ], [ 'budget', 'RawBudget' ], [ 'listener', 'RawListener' ], [ 'upstream', 'RawUpstream' ] ].map(([ type, name ]) => {
		const body = new RegExp(`struct ${name} \\{([^}]+)\\}`).exec(text)[1];

		return [ type, Array.from(body.matchAll(/(\w+): Values/g), ([ , option ]) => option) ];
	}));
}

// The switch on the page Overview keeps it together with the start at boot, and starts or stops the
// service: a second place to set it would do half of that.
const SWITCH = 'enabled';

test('the form has every option of the daemon but the switch, and no other', async () => {
	const form = await formOptions();
	const daemon = daemonOptions();

	daemon.waproxy = daemon.waproxy.filter(option => option != SWITCH);

	for (const type in daemon)
		assert.deepEqual(Object.keys(form[type]).sort(), daemon[type].sort(), type);
});

test('the form has every option of the shipped file but the switch, and what it has beyond is in the README', async () => {
	const form = await formOptions();
	const readme = read(ROOT, 'README.md');
	const shipped = {};

	for (const section of Object.values(readUci(path.join(ROOT, 'openwrt/waproxy/files/waproxy.config'))))
		Object.keys(section).filter(name => !name.startsWith('.')).forEach(name => (shipped[section['.type']] = shipped[section['.type']] || new Set()).add(name));

	assert.ok(shipped.waproxy.delete(SWITCH));

	for (const type in form) {
		for (const option of shipped[type])
			assert.ok(form[type][option], `${type}: ${option}`);

		for (const option in form[type])
			assert.ok(shipped[type].has(option) || new RegExp(`\`(list )?${option}\``).test(readme), `${type}: ${option}`);
	}
});

test('what an empty field stands for is what is shipped', async () => {
	const { waproxy } = await formOptions();
	const { main } = readUci(path.join(ROOT, 'openwrt/waproxy/files/waproxy.config'));
	const shown = Object.entries(waproxy).filter(([ name, { placeholder } ]) => placeholder && main[name] != null);

	assert.ok(shown.length > 10);

	for (const [ name, { placeholder } ] of shown)
		assert.equal(placeholder, main[name], name);
});

// === files ===

test('every entry of the menu has a view, and every view an entry', () => {
	const menu = JSON.parse(read(APP, 'root/usr/share/luci/menu.d/luci-app-waproxy.json'));
	const views = Object.values(menu).filter(({ action }) => action.type == 'view').map(({ action }) => `view/${action.path}.js`);

	assert.deepEqual(sorted(views), sorted(scripts.filter(name => name.startsWith('view/waproxy/'))));
});

test('every module that is required is there, and every module is required', () => {
	const required = scripts.flatMap(name => Array.from(read(RESOURCES, name).matchAll(/^'require (waproxy\.\w+)/gm), ([ , module ]) => `${module.replace('.', '/')}.js`));

	assert.deepEqual(sorted(required), sorted(scripts.filter(name => name.startsWith('waproxy/'))));
});

test('the card of the front page is small', () => {
	const card = scripts.find(name => name.startsWith('view/status/include/'));

	assert.ok(read(RESOURCES, card).split('\n').length <= 60);
});
