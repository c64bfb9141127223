'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const po = require('../po.js');
const { APP } = require('../stand_in.js');

// What language tools know of each language: the number of plural forms, and that of some numbers.
const PLURALS = {
	ar: [ 6, { 0: 0, 1: 1, 2: 2, 5: 3, 11: 4, 100: 5, 103: 3 } ],
	de: [ 2, { 0: 1, 1: 0, 2: 1 } ],
	es: [ 2, { 0: 1, 1: 0, 2: 1 } ],
	fa: [ 2, { 0: 0, 1: 0, 2: 1 } ],
	pt: [ 2, { 0: 1, 1: 0, 2: 1 } ],
	ru: [ 3, { 1: 0, 2: 1, 5: 2, 11: 2, 21: 0, 22: 1, 100: 2 } ],
	tr: [ 2, { 0: 1, 1: 0, 2: 1 } ],
	zh_Hans: [ 1, { 0: 0, 1: 0, 5: 0 } ]
};

const file = (...parts) => po.read(fs.readFileSync(path.join(APP, 'po', ...parts), 'utf8'));
const template = file('templates/waproxy.pot').entries;
const key = ({ context, id, plural }) => JSON.stringify([ context, id, plural ]);
const placeholders = text => Array.from(text.matchAll(/%[a-z%]/g), ([ one ]) => one);

test('there are the eight languages', () => {
	const folders = fs.readdirSync(path.join(APP, 'po')).filter(name => name != 'templates');

	assert.deepEqual(folders.sort(), Object.keys(PLURALS).sort());
});

for (const [ language, [ forms, examples ] ] of Object.entries(PLURALS)) {
	const { header, entries } = file(language, 'waproxy.po');

	test(`${language} has every message of the template, once and in its order`, () => {
		assert.deepEqual(entries.map(key), template.map(key));
	});

	test(`${language} says everything, with the same placeholders`, () => {
		for (const { id, plural, strings } of entries) {
			assert.equal(strings.length, plural == null ? 1 : forms, id);

			for (const text of strings) {
				assert.notEqual(text.trim(), '', id);
				assert.equal(text, text.trim(), id);
				assert.deepEqual(placeholders(text), placeholders(id), `${id}: ${text}`);
				assert.equal(/[:：]$/.test(text), id.endsWith(':'), `${id}: ${text}`);
			}
		}
	});

	test(`${language} counts as its speakers do`, () => {
		const rule = po.plural(header);

		assert.match(rule, new RegExp(`^nplurals=${forms}; `));

		// As LuCI evaluates it.
		const form = new Function('n', `var nplurals, plural; ${rule} return +plural`);

		for (const [ number, wanted ] of Object.entries(examples))
			assert.equal(form(+number), wanted, number);
	});

	test(`${language} is in its own words`, () => {
		const same = entries.filter(({ id, strings }) => strings.includes(id) && /[a-z]{3}.* .*[a-z]{3}/.test(id)).map(({ id }) => id);

		assert.deepEqual(same, [ 'WhatsApp Proxy' ].filter(id => same.includes(id)));
	});
}
