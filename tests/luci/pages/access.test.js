'use strict';

// Every page in every theme, by axe: names of controls, roles, contrast. Only what is ours is held
// against us: colours of buttons, tabs and forms are the theme's.

const assert = require('node:assert');
const { test, visit, until } = require('./browser.js');

const THEMES = [ [ 'bootstrap', false ], [ 'bootstrap', true ], [ 'material', false ], [ 'openwrt2020', false ] ];
// LuCI's grids have a column of buttons without a title, whence `empty-table-header` below.
const THEIRS = [ '.btn', '.cbi-button', '.cbi-map', '.cbi-page-actions' ];

async function faults(page) {
	await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });

	return page.evaluate(async theirs => {
		const of = async options => (await window.axe.run({ include: [ '.wap' ], exclude: options.exclude || [] }, options))
			.violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html} ${node.any[0]?.message || ''}`));

		return [
			...await of({ exclude: theirs, runOnly: [ 'color-contrast' ] }),
			...await of({ rules: { 'color-contrast': { enabled: false }, 'empty-table-header': { enabled: false } } })
		];
	}, THEIRS);
}

for (const [ theme, dark ] of THEMES)
	for (const name of [ 'overview', 'share', 'settings', 'log' ])
		test(`${name} in ${theme}${dark ? ', dark' : ''}, can be read and used by everybody`, () => visit(name, { theme, dark }, async page => {
			await until('the page', async () => await page.locator('.wap').count() > 0);
			assert.deepEqual(await faults(page), []);
		}));

for (const theme of [ 'bootstrap', 'material', 'openwrt2020' ])
	for (const name of [ 'overview', 'share', 'settings', 'log' ])
		test(`${name} in ${theme} fits a small phone`, () => visit(name, { theme, view: { viewport: { width: 360, height: 640 }, isMobile: true } }, async page => {
			const [ width, wide ] = await page.evaluate(() => [ window.innerWidth, Array.from(document.querySelectorAll('.wap *'))
				.filter(node => node.getClientRects().length && node.getBoundingClientRect().right > window.innerWidth + 1 && !node.closest('.wap-scroll, svg'))
				.map(node => node.className || node.tagName) ]);

			assert.ok(width <= 380, `it is ${width} wide`);
			assert.deepEqual(wide, []);
		}));

test('in Persian everything is from right to left but what is typed', () => visit('share', { language: 'fa' }, async page => {
	assert.equal(await page.getAttribute('.wap', 'dir'), 'rtl');
	assert.equal(await page.getAttribute('input.wap-link', 'dir'), 'ltr');
	assert.match(await page.textContent('.wap h2'), /هم‌رسانی/);
	assert.equal(await page.locator('dd bdi').first().getAttribute('dir'), 'ltr');
}));

test('a name that begins with a dot does so in Persian too', () => visit('settings', { language: 'fa' }, async page => {
	const [ dot, last ] = await page.locator('[data-name=media_name] .item span').first().evaluate(({ firstChild }) => [ 0, firstChild.length - 1 ].map(at => {
		const range = document.createRange();

		range.setStart(firstChild, at);
		range.setEnd(firstChild, at + 1);

		return range.getBoundingClientRect().left;
	}));

	assert.ok(dot < last, `${dot} ${last}`);
}));

for (const [ language, text ] of [ [ 'ar', '٤١٢ اتصالاً|412 اتصالاً' ], [ 'ru', '412 соединений' ], [ 'de', '412 Verbindungen' ], [ 'zh_Hans', '412 个连接' ] ])
	test(`plurals are right in ${language}`, () => visit('overview', { language }, async page => {
		assert.match(await page.textContent('.wap-tiles'), new RegExp(text));
	}));

test('keyboard alone suffices', () => visit('overview', {}, async page => {
	const reached = [];

	for (let i = 0; i < 40; i++) {
		await page.keyboard.press('Tab');
		reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.action || document.activeElement.textContent));
	}

	for (const wanted of [ 'wap-switch', 'Share the link', 'stop', 'restart' ])
		assert.ok(reached.includes(wanted), `${wanted}: ${reached}`);
}));
