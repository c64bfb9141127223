'use strict';

const assert = require('node:assert');
const { test, visit, until } = require('./browser.js');

const lines = page => page.locator('.wap-log > div').allTextContents();

test('the proxy\'s lines are shown, newest first, and nobody else\'s', () => visit('log', {}, async (page, router) => {
	const found = await lines(page);

	assert.equal(found.length, 3);
	assert.match(found[0], /port 587 not open/);
	assert.match(found[2], /listening on port 10443/);
	router.world.log.push({ msg: 'waproxy[2131]: a new line', id: 5, priority: 30, source: 0, time: Date.now() });
	await until('a new line', async () => (await lines(page))[0].includes('a new line'), 20);
}));

test('lines can be left out by their level', () => visit('log', {}, async page => {
	await page.selectOption('select', '4');
	assert.equal((await lines(page)).length, 2);
	await page.selectOption('select', '3');
	assert.equal((await lines(page)).length, 1);
}));

test('what a line holds stays text', () => visit('log', {
	world: { log: [ { msg: 'waproxy[1]: <img src=x onerror=alert(1)>', id: 1, priority: 30, source: 0, time: Date.now() } ] }
}, async page => {
	assert.match((await lines(page))[0], /<img src=x onerror=alert\(1\)>/);
	assert.equal(await page.locator('.wap-log img').count(), 0);
}));

test('a router without logd says so', () => visit('log', { world: { logd: false } }, async page => {
	assert.match(await page.textContent('.wap [role=alert]'), /logd does not run/);
}));

test('a login that may not change may read', () => visit('log', { world: { session: 'readonly' } }, async page => {
	assert.equal((await lines(page)).length, 3);
}));
