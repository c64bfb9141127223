'use strict';

const assert = require('node:assert');
const { test, visit, until, calls } = require('./browser.js');
const { newWorld } = require('../world.js');

const field = (page, name) => page.locator(`[id="widget.cbid.waproxy.main.${name}"]`);
const tab = (page, name) => page.locator('.cbi-tabmenu a, .tabs a').getByText(name, { exact: true }).click();
const apply = page => page.getByText('Save & Apply', { exact: true }).first().click();
const enabled = (page, listener) => page.locator(`tr[data-sid=${listener}] input[type=checkbox]`);
const edit = (page, section) => page.locator(`tr[data-sid=${section}]`).getByText('Edit').click();

async function add(page, type, name) {
	const create = page.locator(`#cbi-waproxy-${type} .cbi-section-create`);

	await create.locator('.cbi-section-create-name').fill('');
	await create.locator('.cbi-section-create-name').pressSequentially(name);
	await create.locator('.cbi-button-add').click();
}

const dialog = page => page.locator('#modal_overlay .modal');
const single = page => page.locator('.cbi-value[data-name=one_port] input[type=checkbox]');
// What was written of an option.
const written = (router, section, option) => calls(router, 'set')
	.filter(({ values }) => values.section == section && option in values.values).map(({ values }) => values.values[option]);

test('what is changed is saved and applied, and nothing else', () => visit('settings', {}, async (page, router) => {
	const before = structuredClone(router.world.config.waproxy);

	await field(page, 'host').fill('proxy.example.org');
	await tab(page, 'Limits');
	await field(page, 'idle_timeout').fill('300');
	await apply(page);
	await until('applied', () => calls(router, 'apply_rollback').length == 1);

	const { config } = router.world;

	assert.equal(config.waproxy.main.host, 'proxy.example.org');
	assert.equal(config.waproxy.main.idle_timeout, '300');
	delete config.waproxy.main.host;
	config.waproxy.main.idle_timeout = before.main.idle_timeout;
	assert.deepEqual(config.waproxy, before);
}));

for (const [ where, name, wrong, text ] of [
	[ 'General', 'host', '2001:db8::1', /WhatsApp takes no IPv6/ ],
	[ 'General', 'workers', '0', /auto or a whole number from 1 to 256/ ],
	[ 'Limits', 'connect_timeout', '61', /whole seconds from 1 to 60/ ],
	[ 'Limits', 'max_connections', 'many', /auto or a whole number from 1 to 27500/ ],
	[ 'Certificate', 'cert', 'a.pem', /from the first slash/ ]
])
	test(`wrong input is shown at its field and not saved: ${name}`, () => visit('settings', { faults: [ 'invalid input value', 'contains' ] }, async (page, router) => {
		await tab(page, where);
		await field(page, name).fill(wrong);
		await field(page, name).blur();
		await page.waitForSelector('.cbi-input-invalid');
		assert.match(await field(page, name).evaluate(node => node.getAttribute('data-tooltip') || node.closest('.cbi-value').textContent), text);
		await page.locator('.cbi-button-save').click();
		await page.waitForSelector('#modal_overlay .modal p');
		assert.equal(calls(router, 'set').length, 0);
	}));

test('a certificate without its key is not saved', () => visit('settings', { faults: [ 'invalid input value', 'contains' ] }, async (page, router) => {
	await tab(page, 'Certificate');
	await field(page, 'cert').fill('/etc/ssl/a.pem');
	await page.locator('.cbi-button-save').click();
	await page.waitForSelector('#modal_overlay .modal p');
	assert.match(await dialog(page).textContent(), /The other file needs this one/);
	assert.equal(calls(router, 'set').length, 0);
}));

test('a certificate with its key is saved', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Certificate');
	await field(page, 'cert').fill('/etc/ssl/a.pem');
	await field(page, 'key').fill('/etc/ssl/a.key');
	await page.locator('.cbi-button-save').click();
	await until('saved', () => router.world.staged?.waproxy.main.key == '/etc/ssl/a.key');
}));

test('listeners that clash are shown while they do, and not saved', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Listeners');
	await edit(page, 'chat_plain');
	await dialog(page).locator('[id="widget.cbid.waproxy.chat_plain.port"]').fill('443');
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('the dialog closed', async () => !await dialog(page).isVisible());
	assert.equal((await page.textContent('.wap [role=alert]')).trim(), '');
	await enabled(page, 'chat_plain').click();
	await page.waitForSelector('.wap-reason.wap-bad');
	assert.match(await page.textContent('.wap-reason.wap-bad'), /chat_tls and chat_plain both use the public port 443/);
	await page.locator('.cbi-button-save').click();
	await page.waitForSelector('.alert-message.danger');
	assert.match(await page.textContent('.alert-message.danger'), /Nothing more was saved: chat_tls and chat_plain/);
	assert.equal(router.world.staged.waproxy.chat_plain.enabled, '0');
	await enabled(page, 'chat_plain').click();
	await until('no clash', async () => (await page.textContent('.wap > [role=alert]')).trim() == '');
}));

test('a port that another listener has is refused at its field', () => visit('settings', { faults: [ 'invalid input value', 'contains' ] }, async page => {
	await tab(page, 'Listeners');
	await edit(page, 'media_main');

	const port = dialog(page).locator('[id="widget.cbid.waproxy.media_main.port"]');

	for (const [ text, why ] of [ [ '443', /both use the public port 443/ ], [ '10443', /both listen on port 10443/ ] ]) {
		await port.fill(text);
		await port.blur();
		await until(text, async () => why.test(await port.evaluate(node => node.getAttribute('data-tooltip') || node.closest('.cbi-value').textContent)));
	}

	await port.fill('588');
	await port.blur();
	await until('right', async () => await dialog(page).locator('.cbi-input-invalid').count() == 0);
}));

test('a gate is chosen in the dialog of a listener', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Listeners');
	await edit(page, 'chat_tls');
	await dialog(page).locator('[id="widget.cbid.waproxy.chat_tls.gate"]').selectOption('enforce');
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('saved', () => router.world.staged?.waproxy.chat_tls.gate == 'enforce');
}));

test('what browsers find is entered in the dialog of a listener with TLS', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Listeners');
	await edit(page, 'chat_tls');

	const decoy = dialog(page).locator('[id="widget.cbid.waproxy.chat_tls.decoy"]');

	await decoy.fill('/etc/shadow');
	await decoy.blur();
	await until('wrong', async () => await dialog(page).locator('.cbi-input-invalid').count() == 1);
	await decoy.fill('/www/garden.html');
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('saved', () => router.world.staged?.waproxy.chat_tls.decoy == '/www/garden.html');
	await edit(page, 'media_main');
	await until('media has none', async () => await dialog(page).isVisible()
		&& !await dialog(page).locator('[id="widget.cbid.waproxy.media_main.decoy"]').isVisible());
}));

test('a listener that wants a header needs somebody who may send one', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Listeners');
	await enabled(page, 'chat_tls_lb').click();
	await page.waitForSelector('.wap-reason.wap-bad');
	assert.match(await page.textContent('.wap-reason.wap-bad'), /chat_tls_lb expects a PROXY header/);
	await tab(page, 'General');
	await page.locator('[data-name=trusted_proxy] input[type=text]').fill('192.0.2.7');
	await page.locator('[data-name=trusted_proxy] .cbi-button-add').click();
	await until('no trouble', async () => (await page.textContent('.wap > [role=alert]')).trim() == '');
	await page.locator('.cbi-button-save').click();
	await until('saved', () => router.world.staged?.waproxy.chat_tls_lb.enabled == '1');
	assert.deepEqual(router.world.staged.waproxy.main.trusted_proxy, [ '192.0.2.7' ]);
}));

test('a listener is added with an upstream of one\'s own', () => visit('settings', {}, async (page, router) => {
	await tab(page, 'Upstreams');
	await add(page, 'upstream', 'mine');
	await dialog(page).locator('[data-name=address] input[type=text]').fill('mine.example:443');
	await dialog(page).locator('[data-name=address] .cbi-button-add').click();
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('the dialog closed', async () => !await dialog(page).isVisible());
	await tab(page, 'Listeners');
	await add(page, 'listener', 'own');
	await dialog(page).locator('[id="widget.cbid.waproxy.own.port"]').fill('4443');
	await dialog(page).locator('select').first().selectOption('mine');
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('the dialog closed', async () => !await dialog(page).isVisible());
	await page.locator('.cbi-button-save').click();
	await until('saved', () => router.world.staged?.waproxy.own.enabled);

	const { own, mine } = router.world.staged.waproxy;

	assert.deepEqual([ own.enabled, own.port, own.service, own['.type'] ], [ '1', '4443', 'mine', 'listener' ]);
	assert.deepEqual([ mine.address, mine['.type'] ], [ [ 'mine.example:443' ], 'upstream' ]);
}));

for (const [ section, option ] of [ [ 'chat_tls', 'service' ], [ 'chat', 'address' ] ])
	test(`what is shown in a table is text: ${option}`, () => {
		const { config } = newWorld();
		const text = '<img src=x onerror="window.ran=true">';

		config.waproxy[section][option] = option == 'address' ? [ text ] : text;

		return visit('settings', { world: { config } }, async page => {
			const cell = page.locator(`tr[data-sid=${section}] td[data-name=${option}]`);

			assert.equal(await cell.textContent(), text);
			assert.equal(await cell.locator('img').count(), 0);
		});
	});

test('what is typed on the page is saved along with a dialog', () => visit('settings', {}, async (page, router) => {
	await field(page, 'host').fill('proxy.example.org');
	await tab(page, 'Listeners');
	await enabled(page, 'chat_plain').click();
	await edit(page, 'chat_plain');
	await dialog(page).locator('[id="widget.cbid.waproxy.chat_plain.port"]').fill('8443');
	await dialog(page).getByText('Save', { exact: true }).click();
	await until('the dialog closed', async () => !await dialog(page).isVisible());

	const { main, chat_plain } = router.world.staged.waproxy;

	assert.deepEqual([ main.host, chat_plain.enabled, chat_plain.port ], [ 'proxy.example.org', '1', '8443' ]);
	await until('the page drawn anew', async () => (await page.textContent('tr[data-sid=chat_plain]')).includes('8443'));
	assert.ok(await enabled(page, 'chat_plain').isChecked());
	assert.equal(await field(page, 'host').inputValue(), 'proxy.example.org');
}));

test('a dialog stays while the page has wrong input', () => visit('settings', {}, async (page, router) => {
	await field(page, 'host').fill('2001:db8::1');
	await field(page, 'host').blur();
	await tab(page, 'Listeners');
	await edit(page, 'chat_plain');
	await dialog(page).locator('[id="widget.cbid.waproxy.chat_plain.port"]').fill('8443');
	await dialog(page).getByText('Save', { exact: true }).click();
	await dialog(page).locator('[role=alert]').waitFor();
	assert.match(await dialog(page).locator('[role=alert]').textContent(), /Nothing more was saved: .*Public name or address.*WhatsApp takes no IPv6/);
	assert.equal(await dialog(page).locator('[id="widget.cbid.waproxy.chat_plain.port"]').inputValue(), '8443');
	assert.equal(calls(router, 'set').length, 0);
	await dialog(page).getByText('Dismiss', { exact: true }).click();
	assert.equal(await field(page, 'host').inputValue(), '2001:db8::1');
}));

test('chat and media get one port by a switch, and two again', () => visit('settings', {}, async (page, router) => {
	const before = structuredClone(router.world.config.waproxy);

	assert.ok(!await single(page).isChecked());
	await single(page).click();
	await apply(page);
	await until('applied', () => calls(router, 'apply_rollback').length == 1);
	assert.deepEqual(router.world.config.waproxy, { ...before, chat_tls: { ...before.chat_tls, service: 'auto' } });
	assert.deepEqual(written(router, 'chat_tls', 'service'), [ 'auto' ]);

	await page.reload();
	await page.waitForSelector('.cbi-map');
	assert.ok(await single(page).isChecked());
	await single(page).click();
	await apply(page);
	await until('applied', () => calls(router, 'apply_rollback').length == 2);
	assert.deepEqual(router.world.config.waproxy, before);
	assert.deepEqual(written(router, 'chat_tls', 'service'), [ 'auto', 'chat' ]);
}));

test('what a listener carries is left alone by a switch that nobody touched', () => {
	const { config } = newWorld();

	config.waproxy.chat_tls.service = 'web';

	return visit('settings', { world: { config } }, async (page, router) => {
		await field(page, 'host').fill('proxy.example.org');
		await page.locator('.cbi-button-save').click();
		await until('saved', () => router.world.staged?.waproxy.main.host == 'proxy.example.org');
		assert.deepEqual(written(router, 'chat_tls', 'service'), []);
	});
});

test('a listener carries chat and media by its dialog, and the switch follows', () => visit('settings', {}, async (page, router) => {
	const save = async () => {
		await dialog(page).getByText('Save', { exact: true }).click();
		await until('the dialog closed', async () => !await dialog(page).isVisible());
	};

	await tab(page, 'Listeners');
	await edit(page, 'chat_tls');
	await dialog(page).locator('select').first().selectOption('auto');
	await save();
	assert.equal(router.world.staged.waproxy.chat_tls.service, 'auto');
	await until('the switch', () => single(page).isChecked());
	assert.match(await page.textContent('tr[data-sid=chat_tls]'), /Chat and media/);
	// Another change leaves it.
	await edit(page, 'chat_tls');
	assert.equal(await dialog(page).locator('select').first().inputValue(), 'auto');
	await dialog(page).locator('[id="widget.cbid.waproxy.chat_tls.port"]').fill('8443');
	await save();
	assert.deepEqual([ router.world.staged.waproxy.chat_tls.port, router.world.staged.waproxy.chat_tls.service ], [ '8443', 'auto' ]);
	assert.deepEqual(written(router, 'chat_tls', 'service'), [ 'auto' ]);
}));

test('one port without TLS is shown while it is switched, and not saved', () => {
	const { config } = newWorld();

	config.waproxy.chat_tls.tls = '0';

	return visit('settings', { world: { config } }, async (page, router) => {
		await single(page).click();
		await page.waitForSelector('.wap-reason.wap-bad');
		assert.match(await page.textContent('.wap > [role=alert]'), /chat_tls carries chat and media, and needs TLS/);
		await page.locator('.cbi-button-save').click();
		await page.waitForSelector('.alert-message.danger');
		assert.equal(calls(router, 'set').length, 0);
		await single(page).click();
		await until('no trouble', async () => (await page.textContent('.wap > [role=alert]')).trim() == '');
	});
});

test('without the listener of chat there is no switch for one port', () => visit('settings', {}, async (page, router) => {
	assert.equal(await single(page).count(), 1);
	await tab(page, 'Listeners');
	await page.locator('tr[data-sid=chat_tls]').getByText('Delete').click();
	await until('no switch', async () => await single(page).count() == 0);
	await field(page, 'host').fill('proxy.example.org', { force: true });
	await page.locator('.cbi-button-save').click();
	await until('saved', () => router.world.staged?.waproxy.main.host == 'proxy.example.org');
	assert.equal(router.world.staged.waproxy.chat_tls, undefined);
	assert.deepEqual(written(router, 'chat_tls', 'service'), []);
}));

test('a server name of media is added to the others, where it is one', () => visit('settings', { faults: [ 'invalid input value', 'contains' ] }, async (page, router) => {
	const name = page.locator('[data-name=media_name] input[type=text]');

	await name.fill('*.example.net');
	await name.blur();
	await page.waitForSelector('.cbi-input-invalid');
	assert.match(await name.evaluate(node => node.getAttribute('data-tooltip') || node.closest('.cbi-value').textContent), /name of a server, or \.example\.net/);
	await name.fill('.example.net');
	await page.locator('[data-name=media_name] .cbi-button-add').click();
	await page.locator('.cbi-button-save').click();
	await until('saved', () => router.world.staged?.waproxy.main.media_name.includes('.example.net'));
	assert.deepEqual(router.world.staged.waproxy.main.media_name, [ '.whatsapp.net', '.whatsapp.com', '.fbcdn.net', '.example.net' ]);
}));

test('the proxy is switched on and off on the page Overview alone', () => {
	const { config } = newWorld();

	config.waproxy.main.enabled = '0';

	return visit('settings', { world: { config } }, async (page, router) => {
		assert.equal(await page.locator('.cbi-value[data-name=enabled]').count(), 0);
		await field(page, 'host').fill('proxy.example.org');
		await apply(page);
		await until('applied', () => calls(router, 'apply_rollback').length == 1);
		assert.equal(router.world.config.waproxy.main.enabled, '0');
	});
});

test('a listener is switched on in the table alone', () => visit('settings', {}, async page => {
	await tab(page, 'Listeners');
	await edit(page, 'chat_plain');
	assert.equal(await dialog(page).locator('[data-name=enabled]').count(), 0);
}));

test('a name that a section of another type has is refused', () => visit('settings', {}, async page => {
	await tab(page, 'Listeners');

	for (const name of [ 'media', 'auto', 'chat_tls' ]) {
		await add(page, 'listener', name);
		await until(name, async () => (await page.locator('.alert-message.warning').allTextContents()).some(text => text.includes(`The name ${name} is taken`)));
		assert.ok(!await dialog(page).isVisible());
	}
}));

test('an upstream that a listener needs cannot go unnoticed', () => visit('settings', {}, async page => {
	await tab(page, 'Upstreams');
	await page.locator('tr[data-sid=media]').getByText('Delete').click();
	await page.waitForSelector('.wap-reason.wap-bad');
	assert.match(await page.textContent('.wap > [role=alert]'), /media_main leads to the upstream media, which does not exist/);
}));

test('what the daemon says of the settings is shown', () => visit('settings', { world: { check: { errors: [ 'option port \'70000\': a port from 1 to 65535' ], warnings: [] } } }, async page => {
	assert.match(await page.textContent('.wap'), /The proxy refuses the settings as they are saved:\s*option port '70000'/);
}));

test('a login that may not change sees, and cannot save', () => visit('settings', { world: { session: 'readonly' } }, async page => {
	assert.ok(await field(page, 'host').isDisabled());
	assert.ok(await page.locator('.cbi-button-save').isDisabled());
}));

test('every control has a label', () => visit('settings', {}, async page => {
	const unnamed = await page.evaluate(() => Array.from(document.querySelectorAll('.wap input, .wap select, .wap textarea'))
		.filter(node => node.type != 'hidden' && !node.getAttribute('aria-label') && !node.labels?.length)
		.map(node => node.outerHTML));

	assert.deepEqual(unnamed, []);
}));
