// A browser with a router of its own for each test of a page. LUCI_SRC names LuCI's checkout.
'use strict';

const assert = require('node:assert');
const node = require('node:test');
const { Router } = require('../stand_in.js');
const { newWorld } = require('../world.js');

const LUCI = process.env.LUCI_SRC;
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';

let browser;

if (LUCI) {
	node.before(async () => {
		// Chromium's own sandbox does not work for root.
		browser = await require('playwright-core').chromium.launch({ executablePath: CHROMIUM, args: [ '--no-sandbox', '--disable-gpu' ] });
	});
	node.after(() => browser.close());
}

// Without LuCI's own files every test is skipped, and counted.
function test(name, run) {
	node.test(name, { skip: LUCI ? false : 'no LuCI: LUCI_SRC' }, run);
}

// Runs `test(page, router)` on a page of the app. What the page's scripts complain of fails it.
async function visit(name, options, test) {
	const { world, view, path, ...more } = { world: {}, view: {}, ...options };
	const router = await new Router(LUCI, { minify: process.env.JSMIN || null, ...more, world: Object.assign(newWorld(), world) }).start();
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...view });
	const page = await context.newPage();
	const faults = [];

	page.on('pageerror', error => faults.push(String(error.stack || error)));
	page.setDefaultTimeout(15000);

	try {
		await page.goto(path ? `${router.url}/cgi-bin/luci/${path}` : router.page(name));
		await page.waitForSelector(path ? '#view' : '.wap, .cbi-map');
		await test(page, router);
		assert.deepEqual(faults.filter(fault => !(options?.faults || []).some(known => fault.includes(known))), []);
	}
	finally {
		await context.close();
		router.stop();
	}
}

// Waits until a function of the page's side says yes.
async function until(what, test, seconds = 10) {
	for (let i = 0; i < seconds * 10; i++) {
		if (await test())
			return;

		await new Promise(resolve => setTimeout(resolve, 100));
	}

	assert.fail(`not within ${seconds} seconds: ${what}`);
}

const calls = (router, method) => router.world.calls.filter(call => call.method == method);

module.exports = { test, visit, until, calls };
