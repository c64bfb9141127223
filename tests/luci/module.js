// Loads a module of the app as LuCI's loader would, but into node: for what needs no page. The
// language is English, untranslated.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const RESOURCES = path.resolve(__dirname, '../../luci/luci-app-waproxy/htdocs/luci-static/resources');

const page = { documentElement: { lang: 'en' } };

// As much of LuCI's own as the app's texts use.
String.prototype.format = function(...values) {
	return this.replace(/%%|%(\d*)([sdx])/g, (all, _, kind) => {
		if (all == '%%')
			return '%';

		const value = values.shift();

		return kind == 's' ? String(value) : String(Math.floor(+value || 0));
	});
};

const globals = {
	baseclass: { extend: members => members },
	document: page,
	_: text => text,
	N_: (n, one, many) => n == 1 ? one : many
};

// `waproxy.words` with all that it requires. `stubs` stand for modules of LuCI.
function load(name, stubs) {
	const text = fs.readFileSync(path.join(RESOURCES, `${name.split('.').join('/')}.js`), 'utf8');
	const known = { ...globals, ...stubs };

	for (const [ , module, , alias ] of text.matchAll(/^'require ([\w.]+)( as (\w+))?';$/gm))
		if (!known[alias || module])
			known[alias || module] = module.startsWith('waproxy.') ? load(module, stubs) : {};

	return new Function(...Object.keys(known), text)(...Object.values(known));
}

// Spaces that do not break differ between versions of the languages' data.
const plain = text => text.replace(/[\u00a0\u202f]/g, ' ');

module.exports = { load, page, plain, RESOURCES };
