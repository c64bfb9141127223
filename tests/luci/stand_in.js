// A STAND-IN for a router, for tests of the pages alone: it serves LuCI's real client files from a
// checkout, our own beside them, and answers ubus calls as rpcd and uhttpd would. No rpcd, no ucode
// and no daemon runs here; what they do is tested elsewhere. Access is judged by the real ACL
// files, and `world` holds what the router is like: tests change it.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const vm = require('node:vm');
const { execFileSync } = require('node:child_process');
const po = require('./po.js');
const { answer, granted, objects } = require('./ubus.js');
const { newWorld } = require('./world.js');

const ROOT = path.resolve(__dirname, '../..');
const APP = path.join(ROOT, 'luci/luci-app-waproxy');
const TYPES = { js: 'application/javascript', css: 'text/css', svg: 'image/svg+xml', png: 'image/png', woff2: 'font/woff2' };

const json = file => JSON.parse(fs.readFileSync(file, 'utf8'));

// === pages ===

// A theme's frame: what its style sheet and its menu need to find. `page` is the middle.
const FRAMES = {
	'bootstrap': page => `<header><a class="brand" href="/">router</a><ul class="nav" id="topmenu" style="display:none"></ul>
		<div id="indicators" class="pull-right"></div></header>
		<div id="maincontent" class="container"><div id="tabmenu" style="display:none"></div>${page}</div>
		<footer><span></span><ul class="breadcrumb pull-right" id="modemenu" style="display:none"></ul></footer>`,
	'material': page => `<header><div class="fill"><div class="container"><span class="showSide"></span>
		<a class="brand" href="#">router</a><span class="status" id="indicators"></span></div></div></header>
		<div class="main"><div class="loading"><span></span></div><div class="main-left" id="mainmenu" style="display:none"></div>
		<div class="main-right"><div class="modemenu-buttons" style="display:none"><ul id="modemenu"></ul></div>
		<div class="darkMask"></div><div id="maincontent"><div class="container"><div id="tabmenu" style="display:none"></div>
		${page}</div><footer class="mobile-hide"></footer></div></div></div>`,
	'openwrt2020': page => `<div id="menubar"><h2 class="navigation"><a id="navigation">Navigation</a></h2>
		<span class="hostname"><a href="/">router</a></span><span class="distversion"></span><span id="indicators"></span></div>
		<div id="modemenu" style="display:none"></div><div id="maincontainer"><div id="mainmenu"></div>
		<div id="maincontent"><div id="tabmenu" style="display:none"></div>${page}</div></div><p class="luci"></p>`
};

function html(router, request) {
	const { theme, dark, language, world } = router;
	const menu = request.split('/');
	const env = {
		media: `/luci-static/${theme}`, resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '/' + request,
		documentroot: '/www', requestpath: menu, dispatchpath: menu, pollinterval: 5, ubuspath: '/ubus/', sessionid: 'a'.repeat(32),
		token: 'b'.repeat(32), nodespec: { satisfied: true, readonly: world.session == 'readonly' }, apply_rollback: 90,
		apply_holdoff: 1, apply_timeout: 5, apply_display: 1
	};
	const view = request == 'admin/status/overview' ? 'status/index' : request.split('/').slice(2).join('/');

	return `<!DOCTYPE html><html lang="${language}" ${theme == 'bootstrap' ? `data-darkmode="${dark}"` : ''}><head><meta charset="utf-8">
		<title>router</title><meta name="viewport" content="width=device-width, initial-scale=1">
		<link rel="stylesheet" href="${env.media}/cascade.css">
		${theme == 'bootstrap' ? `<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="${env.media}/mobile.css">` : ''}
		<script src="/cgi-bin/luci/admin/translations/${language}"></script><script src="/luci-static/resources/cbi.js"></script></head>
		<body class="lang_${language} logged-in node-${menu.join('-')}" data-page="${menu.join('-')}">${FRAMES[theme](`
		<script src="/luci-static/resources/luci.js?v=1"></script><script>L = new LuCI(${JSON.stringify(env)});</script>
		<div id="view"><div class="spinning">Loading view…</div>
		<script>L.require('ui').then(ui => ui.instantiateView('${view}'));</script></div>`)}
		<script>L.require('menu-${theme}')</script></body></html>`;
}

// The app's menu below what LuCI has above it.
function menuTree() {
	const tree = { satisfied: true, children: {} };
	const node = (name, title, order) => ({ name, title, order, satisfied: true, action: { type: 'firstchild' }, children: {} });
	const admin = tree.children.admin = node('admin', 'Administration', 10);

	admin.children.status = node('status', 'Status', 10);
	admin.children.status.children.overview = { ...node('overview', 'Overview', 1), action: { type: 'view', path: 'status/index' } };
	admin.children.services = node('services', 'Services', 40);
	admin.children.logout = { ...node('logout', 'Log out', 999), action: { type: 'view', path: 'none' } };

	for (const [ where, entry ] of Object.entries(json(path.join(APP, 'root/usr/share/luci/menu.d/luci-app-waproxy.json')))) {
		let at = tree;

		for (const name of where.split('/'))
			at = at.children[name] = at.children[name] || node(name, null);

		Object.assign(at, entry);
	}

	return tree;
}

// === the server ===

class Router {
	constructor(luci, options) {
		Object.assign(this, { luci, theme: 'bootstrap', dark: false, language: 'en', minify: null, world: newWorld() }, options);
		this.acls = {
			...json(path.join(luci, 'modules/luci-base/root/usr/share/rpcd/acl.d/luci-base.json')),
			...json(path.join(APP, 'root/usr/share/rpcd/acl.d/luci-app-waproxy.json'))
		};
		// LuCI's own hash, by which it finds translations.
		this.hash = vm.runInNewContext(fs.readFileSync(path.join(luci, 'modules/luci-base/htdocs/luci-static/resources/cbi.js'), 'utf8') + ';sfh',
			{ window: {}, document: { addEventListener() {} } });
	}

	translations(language) {
		const file = path.join(APP, 'po', language, 'waproxy.po');

		if (!fs.existsSync(file))
			return 'window.TR={};';

		const { header, entries } = po.read(fs.readFileSync(file, 'utf8'));
		const words = { '00000000': po.plural(header) };

		for (const { context, id, plural, strings } of entries) {
			const key = (context == null ? '' : context + '\u0001') + id;

			strings.forEach((text, i) => words[this.hash(plural == null ? key : `${key}\u0002${i}`)] = text);
		}

		return `window.TR=${JSON.stringify(words)};`;
	}

	file(name) {
		const places = [
			path.join(APP, 'htdocs'), ...[ 'modules/luci-base', 'modules/luci-mod-status', 'libs/luci-lib-uqr', 'themes/luci-theme-bootstrap',
				'themes/luci-theme-material', 'themes/luci-theme-openwrt-2020' ].map(part => path.join(this.luci, part, 'htdocs'))
		];
		const found = places.map(place => path.join(place, name)).find(file => fs.existsSync(file) && fs.statSync(file).isFile());

		if (found?.endsWith('.js') && found.startsWith(APP) && this.minify)
			return execFileSync(this.minify, { input: fs.readFileSync(found) });

		return found && fs.readFileSync(found);
	}

	async handle(request, body, respond) {
		const where = decodeURIComponent(request.url.split('?')[0]);
		const inside = where.startsWith('/cgi-bin/luci/') ? where.slice('/cgi-bin/luci/'.length) : null;

		if (!this.world.answers)
			return request.socket.destroy();

		if (where.startsWith('/ubus')) {
			const calls = JSON.parse(body);
			const replies = await Promise.all([].concat(calls).map(call => answer(this.world, this.acls, call)));

			return respond(200, 'application/json', JSON.stringify(Array.isArray(calls) ? replies : replies[0]));
		}

		if (inside?.startsWith('admin/translations'))
			return respond(200, TYPES.js, this.translations(inside.split('/')[2]));

		if (inside == 'admin/menu')
			return respond(200, 'application/json', JSON.stringify(menuTree()));

		if (inside == 'admin/uci/apply_rollback') {
			objects(this.world, granted(this.acls, this.world.session)).uci.apply();
			this.world.calls.push({ object: 'uci', method: 'apply_rollback' });
			return respond(200, 'application/json', '{"token":"c"}');
		}

		if (inside == 'admin/uci/confirm')
			return respond(204, 'text/plain', '');

		if (inside != null)
			return respond(200, 'text/html; charset=utf-8', html(this, inside));

		const found = where.includes('..') ? null : this.file(where);

		return found ? respond(200, TYPES[where.split('.').pop()] || 'text/plain', found) : respond(404, 'text/plain', 'not here');
	}

	async start() {
		this.server = http.createServer((request, response) => {
			const chunks = [];

			request.on('data', chunk => chunks.push(chunk));
			request.on('end', () => this.handle(request, Buffer.concat(chunks).toString(), (status, type, text) => {
				response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
				response.end(text);
			}));
		});
		await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve));
		this.url = `http://127.0.0.1:${this.server.address().port}`;

		return this;
	}

	page(name) {
		return `${this.url}/cgi-bin/luci/admin/services/waproxy/${name}`;
	}

	stop() {
		this.server.closeAllConnections();
		this.server.close();
	}
}

module.exports = { Router, APP, ROOT };
