'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const jsqr = require('jsqr');
const { PNG } = require('pngjs');
const { test, visit, until } = require('./browser.js');

// What a phone would read off a picture.
function decode(picture) {
	const { data, width, height } = PNG.sync.read(picture);

	return jsqr(new Uint8ClampedArray(data), width, height)?.data;
}

for (const [ name, options ] of [
	[ 'light', {} ], [ 'dark', { dark: true } ], [ 'on a phone', { view: { viewport: { width: 360, height: 800 }, isMobile: true } } ]
])
	test(`the QR code on the page is the link: ${name}`, () => visit('share', options, async (page, router) => {
		assert.equal(decode(await page.locator('.wap-code').screenshot()), router.world.share.share.link);
	}));

test('the QR code of a long link', () => visit('share', {
	world: { share: { share: { link: `https://wa.me/proxy?host=${'a'.repeat(60)}.${'b'.repeat(60)}.example&chatPort=65535&mediaPort=65535&chatTLS=false`, host: 'x', chat_port: 65535, media_port: 65535, chat_tls: false }, host_source: 'option', error: null } }
}, async (page, router) => {
	assert.equal(decode(await page.locator('.wap-code').screenshot()), router.world.share.share.link);
}));

test('the file that is saved holds the same code', () => visit('share', {}, async (page, router) => {
	const [ download ] = await Promise.all([ page.waitForEvent('download'), page.getByText('Save QR code as SVG').click() ]);
	const svg = fs.readFileSync(await download.path(), 'utf8');

	assert.equal(download.suggestedFilename(), 'whatsapp-proxy.svg');
	await page.setContent(svg);
	assert.equal(decode(await page.locator('svg').screenshot()), router.world.share.share.link);
}));

test('the link is copied', () => visit('share', { view: { permissions: [ 'clipboard-read', 'clipboard-write' ] } }, async (page, router) => {
	await page.getByText('Copy the link').click();
	await page.waitForSelector('.alert-message.info');
	assert.equal(await page.evaluate(() => navigator.clipboard.readText()), router.world.share.share.link);
	await page.getByText('Copy the text').click();
	await until('the text', async () => (await page.evaluate(() => navigator.clipboard.readText())).includes('By hand on Android'));
}));

test('the link is copied where pages have no clipboard, as over plain HTTP', () => visit('share', { view: { permissions: [ 'clipboard-read' ] } }, async (page, router) => {
	await page.evaluate(() => {
		window.readText = navigator.clipboard.readText.bind(navigator.clipboard);
		Object.defineProperty(navigator, 'clipboard', { value: undefined });
	});
	await page.getByText('Copy the link').click();
	await page.waitForSelector('.alert-message.info');
	assert.equal(await page.evaluate(() => window.readText()), router.world.share.share.link);
}));

test('a host that cannot work is warned of', () => visit('share', {}, async (page, router) => {
	Object.assign(router.world.share.share, { host: '192.168.1.1', link: 'https://wa.me/proxy?host=192.168.1.1&chatPort=443&mediaPort=587&chatTLS=true' });
	await page.reload();
	await page.waitForSelector('.wap-reason.wap-bad');
	assert.match(await page.textContent('.wap-reason.wap-bad'), /192\.168\.1\.1 is an address of a home network/);
}));

test('warnings come and go while the page is open, and the selection stays', () => visit('share', {}, async (page, router) => {
	await page.evaluate(() => document.querySelector('textarea').select());
	router.world.daemon.service_problems = [ 'port 587 not open: your own forward \'mail\' has it' ];
	await page.waitForSelector('.wap-lines');
	assert.match(await page.textContent('.wap-lines'), /your own forward 'mail' has it/);
	assert.ok(await page.evaluate(() => document.activeElement.selectionEnd > 100));
}));

test('that the firewall is left alone is told as soon as it is', () => visit('share', {}, async (page, router) => {
	assert.equal(await page.locator('.wap-reason').count(), 0);
	router.world.staged.waproxy.main.firewall = 'off';
	await until('the warning', async () => /firewall is left alone/.test(await page.textContent('.wap')), 20);
}));

test('without an address there is no link, and that is said', () => visit('share', { world: { share: { share: null, host_source: null, error: 'no_host' } } }, async page => {
	assert.match(await page.textContent('.wap-reason'), /no link to share/);
	assert.equal(await page.locator('svg').count(), 0);
}));

test('a login that may not change may share', () => visit('share', { world: { session: 'readonly' } }, async (page, router) => {
	assert.equal(await page.inputValue('input.wap-link'), router.world.share.share.link);
}));
