'use strict';

const assert = require('node:assert');
const { test, visit, until, calls } = require('./browser.js');
const { Refused } = require('../ubus.js');

const title = page => page.textContent('.wap-words h3 span:last-child');
const button = (page, action) => page.locator(`button[data-action=${action}]`);
const toggle = page => page.locator('#wap-switch');

test('one glance says whether people can come in', () => visit('overview', {}, async page => {
	assert.equal(await title(page), 'People can come in');
	assert.match(await page.textContent('.wap-words'), /Last connection from outside: 3 minutes ago\./);
	assert.ok(await toggle(page).isChecked());
	assert.match(await page.textContent('.wap-tiles'), /Connections now\s*19.*at most 87 so far, 4,096 are possible/s);
	assert.match(await page.textContent('.wap-tiles'), /3\.3 GB\s*412 connections/);
	assert.match(await page.textContent('.wap-table'), /443 → 10443/);
	assert.match(await page.textContent('.wap'), /qvtmrelk\.net/);
}));

test('a certificate that is not saved is told while that is so', () => visit('overview', {}, async (page, router) => {
	router.world.daemon.certificate.unkept = '/etc/waproxy: No space left on device';
	await until('a warning', async () => /cannot save its certificate.*No space left on device/.test(await page.textContent('.wap-words')));
	assert.equal(await title(page), 'People come in, but something is wrong');
	router.world.daemon.certificate.unkept = null;
	await until('no warning', async () => await title(page) == 'People can come in');
}));

test('the graph begins with the daemon\'s history', () => visit('overview', {}, async page => {
	const points = await page.getAttribute('polyline.wap-down', 'points');

	assert.equal(points.split(' ').length, 120);
	assert.match(await page.getAttribute('.wap-chart svg', 'aria-label'), /^Speed now: .* to people/);
}));

test('each of the last days has a bar that says what it stands for', () => visit('overview', {}, async page => {
	const bars = page.locator('.wap-days li');

	assert.equal(await bars.count(), 30);
	assert.match(await bars.last().getAttribute('title'), /^Nov 25, 2026: .*, people: ≈ 31$/);
	assert.match(await page.textContent('.wap-tiles'), /People today≈ 23≈ 140 in seven days/);

	const heights = await bars.evaluateAll(nodes => nodes.map(node => node.firstChild?.getBoundingClientRect().height ?? 0));

	assert.ok(Math.max(...heights) > 60 && heights[0] > 0 && heights[0] < 30, String(heights));
	// The proxy was off.
	assert.deepEqual(heights.slice(10, 13), [ 0, 0, 0 ]);
}));

test('the proxy looks at itself, and the steps appear as they end', () => visit('overview', {}, async page => {
	const button = page.locator('#wap-check');
	const steps = page.locator('.wap-reason').filter({ hasText: /12 ms|–/ });

	await button.click();
	assert.ok(await button.isDisabled());
	await until('the first step alone', async () => await steps.count() == 1);
	await until('all steps', async () => await steps.count() == 5);
	await until('the end', async () => /Something keeps people from using/.test(await page.textContent('.wap')));
	assert.deepEqual(await steps.evaluateAll(nodes => nodes.map(node => node.firstChild.textContent)), [
		'✓ Settings (12 ms)', '! Address (12 ms)', '✓ Firewall (12 ms)', '✕ Media answers (12 ms)', '– WhatsApp\'s media server answers'
	]);
	assert.match(await steps.nth(3).textContent(), /nothing listens there/);
	assert.ok(!await button.isDisabled());
}));

test('an answer that does not come is no verdict on the proxy', () => visit('overview', {}, async (page, router) => {
	const { doctor } = router.world;
	const answers = [ { error: 'no_answer' }, null, { error: 'no_answer' } ];
	const begun = [];
	const ends = async (answer, verdict) => {
		router.world.doctor = answer;
		await page.click('#wap-check');
		await until(verdict, async () => await page.textContent('.wap-actions + p') == verdict);
	};

	await ends(begin => {
		begun.push(begin);

		return answers.shift() || doctor(begin);
	}, 'Something keeps people from using the proxy.');
	assert.deepEqual(begun.slice(0, 4), [ true, true, false, false ]);
	assert.match(await page.textContent('.wap'), /Media answers/);
	await ends(() => ({ error: 'not_running' }), 'The proxy does not run');
	assert.doesNotMatch(await page.textContent('.wap'), /Media answers/);
	await ends(() => ({ error: 'no_answer' }), 'The proxy does not answer');
}));

test('what is well but for warnings is not told as well', () => visit('overview', {}, async (page, router) => {
	const verdict = async (result, words) => {
		router.world.doctor = () => ({ running: false, steps: [ { name: 'certificate', result, milliseconds: 0, what: 'x', cause: null } ] });
		await page.click('#wap-check');
		await until(words, async () => await page.textContent('.wap-actions + p') == words);
	};

	await verdict('warning', 'The proxy runs, but something is wrong');
	await verdict('ok', 'All is well on the router. Whether people come in only a phone can tell that is not on your Wi-Fi.');
}));

test('numbers move without anything being built anew', () => visit('overview', {}, async (page, router) => {
	await page.evaluate(() => {
		window.kept = [ '.wap-tile strong', '.wap-table tbody tr', 'polyline', '.wap-words h3 span' ].map(name => document.querySelector(name));
	});
	router.world.daemon.connections.now = 23;
	router.world.daemon.listeners[0].active = 16;
	router.world.history.connections.push(23);
	await until('the number of connections', async () => await page.textContent('.wap-tile strong') == '23');
	assert.match(await page.textContent('.wap-table tbody tr'), /16/);
	assert.match(await page.textContent('.wap-graph'), /Open connections\s*23/);
	assert.deepEqual(await page.evaluate(() => window.kept.map(node => node.isConnected)), [ true, true, true, true ]);
}));

test('listeners come and go without a page', () => visit('overview', {}, async (page, router) => {
	const { listeners } = router.world.daemon;

	listeners.unshift({ ...listeners[1], name: 'media_alt', port: 7777, bind_port: 7777 });
	await until('a third listener', async () => await page.locator('.wap-table').first().locator('tbody tr').count() == 3);
	assert.match(await page.locator('.wap-table').first().locator('tbody tr').first().textContent(), /media_alt7777/);
	listeners.splice(0, 2);
	await until('one listener', async () => await page.locator('.wap-table').first().locator('tbody tr').count() == 1);
}));

test('the switch turns option, boot and service off and on', () => visit('overview', {}, async (page, router) => {
	const { world } = router;

	world.action = action => {
		Object.assign(world.service, { enable: { boot: true }, disable: { boot: false }, start: { running: true }, stop: { running: false } }[action]);
		world.daemon = world.service.running ? world.daemon : null;
		world.daemon_error = world.daemon ? null : 'not_running';

		return { ok: true, message: '' };
	};
	await toggle(page).click();
	await until('off', async () => await title(page) == 'Switched off');
	assert.equal(world.config.waproxy.main.enabled, '0');
	assert.deepEqual(world.service, { boot: false, running: false });
	assert.match(await page.textContent('.alert-message'), /switched off/);
	assert.ok(!await toggle(page).isChecked());
	// Keyboard alone must do.
	await toggle(page).focus();
	await page.keyboard.press('Space');
	await until('on', () => world.service.running && world.service.boot && world.config.waproxy.main.enabled == '1');
	assert.deepEqual(calls(router, 'service').map(call => call.values.action), [ 'disable', 'stop', 'enable', 'start' ]);
}));

test('the switch applies no other page\'s changes', () => visit('overview', { world: { waiting: { network: [ [ 'set' ] ] } } }, async (page, router) => {
	await toggle(page).click();
	await page.waitForSelector('.alert-message.danger');
	assert.match(await page.textContent('.alert-message.danger'), /Changes made on other pages wait/);
	assert.equal(router.world.config.waproxy.main.enabled, '1');
	await until('the switch as before', () => toggle(page).isChecked());
}));

for (const change of [ [ 'set', 'main', 'host', 'proxy.example.org' ], [ 'set', 'chat_plain', 'enabled', '1' ], [ 'remove', 'media' ] ])
	test(`the switch applies no settings that wait: ${change.join(' ')}`, () => visit('overview', { world: { waiting: { waproxy: [ change ] } } }, async (page, router) => {
		await toggle(page).click();
		await page.waitForSelector('.alert-message.danger');
		assert.match(await page.textContent('.alert-message.danger'), /Changes made under Settings wait/);
		assert.equal(router.world.config.waproxy.main.enabled, '1');
		assert.equal(calls(router, 'service').length, 0);
		await until('the switch as before', () => toggle(page).isChecked());
	}));

test('the switch can be tried again after it was not applied', () => visit('overview', { world: { waiting: { waproxy: [ [ 'set', 'main', 'enabled', '0' ] ] } } }, async (page, router) => {
	await toggle(page).click();
	await until('switched off', () => router.world.config.waproxy.main.enabled == '0');
	await until('stopped', () => calls(router, 'service').some(({ values }) => values.action == 'stop'));
}));

test('the odd one of switch and boot is named, and mended', () => visit('overview', { world: { service: { running: true, boot: false } } }, async (page, router) => {
	assert.match(await page.textContent('#wap-odd'), /would not start after a reboot/);
	router.world.action = () => {
		router.world.service.boot = true;
		return { ok: true };
	};
	await button(page, 'mend').click();
	await until('no odd one', async () => await page.textContent('#wap-odd') == '');
	assert.equal(calls(router, 'service')[0].values.action, 'enable');
	assert.ok(!await button(page, 'mend').isVisible());
}));

test('only buttons that make sense can be pressed', () => visit('overview', {}, async (page, router) => {
	assert.deepEqual(await Promise.all([ 'start', 'stop', 'restart' ].map(action => button(page, action).isEnabled())), [ false, true, true ]);
	Object.assign(router.world, { daemon: null, daemon_error: 'not_running', service: { running: false, boot: true } });
	await until('start', () => button(page, 'start').isEnabled());
	assert.deepEqual(await Promise.all([ 'stop', 'restart' ].map(action => button(page, action).isEnabled())), [ false, false ]);
}));

test('a button works, says how it went, and cannot be pressed twice', () => visit('overview', {}, async (page, router) => {
	await button(page, 'restart').evaluate(node => {
		node.click();
		node.click();
	});
	await page.waitForSelector('.alert-message.info');
	assert.match(await page.textContent('.alert-message.info'), /has been restarted/);
	assert.equal(calls(router, 'service').length, 1);
	router.world.action = () => ({ ok: false, message: 'no user waproxy' });
	await button(page, 'restart').click();
	await page.waitForSelector('.alert-message.danger');
	assert.match(await page.textContent('.alert-message.danger'), /That did not work: no user waproxy/);
}));

test('while something is being done nothing else can be', () => visit('overview', {}, async (page, router) => {
	let done;

	router.world.action = () => new Promise(resolve => done = () => resolve({ ok: true, message: '' }));
	await button(page, 'restart').click();
	await page.waitForSelector('button.spinning');
	// Longer than a poll.
	await page.waitForTimeout(4000);
	assert.deepEqual(await Promise.all([ toggle(page), button(page, 'stop'), button(page, 'restart') ].map(node => node.isDisabled())), [ true, true, true ]);
	done();
	await until('buttons again', () => button(page, 'restart').isEnabled());
	assert.equal(await page.locator('.spinning').count(), 0);
}));

// Begins an action while a poll waits for its answer, and sees to it that what comes of the poll,
// after `settle`, shows nothing.
async function overtake(page, router, settle) {
	let begun = false;

	router.world.action = () => {
		begun = true;
		return new Promise(() => {});
	};
	await page.locator('button[data-action]:enabled').first().click();
	await until('the action', () => begun);
	settle();
	await page.waitForTimeout(1000);
	assert.equal(await page.locator('button[data-action]:enabled, #wap-switch:enabled').count(), 0);
	assert.equal((await page.textContent('.wap [role=alert]')).trim(), '');
}

test('a poll from before an action brings no buttons back, however long it asks', async () => {
	let answer;

	await visit('overview', {
		world: { daemon: null, daemon_error: 'not_running', service: { running: false, boot: true }, check: new Promise(resolve => answer = resolve) }
	}, async (page, router) => {
		await until('a poll', () => calls(router, 'check').length);
		await overtake(page, router, () => answer({ errors: [], warnings: [] }));
	});
});

test('a poll from before an action that fails says nothing', () => visit('overview', {}, async (page, router) => {
	const asked = calls(router, 'status').length;
	let fail;

	router.world.daemon = new Promise((_, reject) => fail = reject);
	await until('a poll', () => calls(router, 'status').length > asked);
	await overtake(page, router, () => fail(new Refused(2)));
}));

test('what was clicked hands the focus on where it makes no sense any more', () => visit('overview', {}, async (page, router) => {
	const { world } = router;
	const { daemon } = world;
	const focused = () => page.evaluate(() => document.activeElement.dataset.action);

	world.action = action => {
		world.service.running = action == 'start';
		world.daemon = world.service.running ? daemon : null;
		world.daemon_error = world.daemon ? null : 'not_running';

		return { ok: true, message: '' };
	};
	await button(page, 'stop').click();
	await until('start', async () => await focused() == 'start');
	await page.keyboard.press('Enter');
	await until('stop', async () => await focused() == 'stop');
	world.service.boot = false;
	await button(page, 'mend').waitFor();
	world.action = () => {
		world.service.boot = true;
		return { ok: true, message: '' };
	};
	await button(page, 'mend').click();
	await until('the next one', async () => await focused() == 'stop');
}));

test('what is read out changes with the state alone', () => visit('overview', {}, async (page, router) => {
	const live = await page.textContent('.wap-words [aria-live]');

	assert.ok(!live.includes('from outside'));
	router.world.daemon.last_outside_seconds = 240;
	await until('4 minutes', async () => (await page.textContent('.wap-words')).includes('4 minutes ago'));
	assert.equal(await page.textContent('.wap-words [aria-live]'), live);
}));

test('why visitors were turned away can be read without a mouse', () => visit('overview', {}, async page => {
	assert.match(await page.locator('.wap-table').first().innerText(), /max_rate_per_client: 1,204/);
	assert.match(await page.textContent('.wap-words'), /The address from outside is proxy\.example\.org\./);
}));

test('a dead daemon is said to be dead, in its own words', () => visit('overview', {
	world: { daemon: null, daemon_error: 'not_running', service: { running: false, boot: true }, check: { errors: [ 'option port \'70000\'' ], warnings: [] } }
}, async page => {
	assert.equal(await title(page), 'The proxy does not run');
	await until('why', async () => (await page.textContent('.wap-reason')).includes('70000'));
	assert.ok(!await page.isVisible('.wap-table'));
}));

test('a daemon that hangs is said to hang', () => visit('overview', { world: { daemon: null, daemon_error: 'no_answer' } }, async page => {
	assert.equal(await title(page), 'The proxy does not answer');
}));

test('a router that is gone leaves the last values, grey', () => visit('overview', {}, async (page, router) => {
	router.world.answers = false;
	await page.waitForSelector('.wap-stale');
	assert.match(await page.textContent('.wap [role=alert]'), /The router does not answer\. What you see is from/);
	assert.equal(await page.textContent('.wap-tile strong'), '19');
	assert.ok(await toggle(page).isDisabled());
	router.world.answers = true;
	await until('no trouble', async () => await page.locator('.wap-stale').count() == 0);
	assert.equal((await page.textContent('.wap [role=alert]')).trim(), '');
	assert.ok(await toggle(page).isEnabled());
}));

test('an expired login is said to be one', () => visit('overview', { faults: [ 'SessionError', 'Login session is expired' ] }, async (page, router) => {
	router.world.session = 'expired';
	await until('the page\'s own words', async () => (await page.textContent('.wap [role=alert]')).includes('Your login has expired'));
	assert.match(await page.textContent('#modal_overlay'), /new login is required/);
}));

test('a login that may not change sees and cannot change', () => visit('overview', { world: { session: 'readonly' } }, async page => {
	assert.equal(await title(page), 'People can come in');
	assert.ok(await toggle(page).isDisabled());
	assert.deepEqual(await Promise.all([ 'start', 'stop', 'restart' ].map(action => button(page, action).isDisabled())), [ true, true, true ]);
}));

test('a router without the plugin says so', () => visit('overview', { world: { plugin: false } }, async page => {
	assert.match(await page.textContent('.wap [role=alert]'), /does not know this page's backend/);
	assert.ok(!await page.isVisible('.wap-state'));
}));

test('the card on the front page', () => visit('', { path: 'admin/status/overview' }, async page => {
	await page.waitForSelector('a[href$="services/waproxy/overview"] >> visible=true');
	await until('the card', async () => /People can come in\s*Connections now\s*19\s*Today\s*3\.3 GB/.test(await page.textContent('#view')));
}));

test('the front page without the plugin has no card', () => visit('', { path: 'admin/status/overview', world: { plugin: false } }, async page => {
	await page.waitForTimeout(3000);
	assert.ok(!(await page.textContent('#view')).includes('People can come in'));
}));
