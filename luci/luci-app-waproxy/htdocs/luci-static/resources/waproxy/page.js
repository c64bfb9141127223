'use strict';
'require baseclass';
'require dom';
'require ui';
'require waproxy.number as number';
'require waproxy.style as style';

// What all pages of the app have in common.

const RIGHT_TO_LEFT = [ 'ar', 'fa', 'he', 'ur' ];
const NOTICE_SECONDS = 8;

// LuCI writes every language from left to right; the pages of the app do not.
function direction() {
	return RIGHT_TO_LEFT.includes(number.locale().split('-')[0]) ? 'rtl' : 'ltr';
}

return baseclass.extend({
	direction,

	root(children) {
		return E('div', { 'class': 'wap', 'dir': direction() }, [ E('style', {}, [ style.css ]), ...children ]);
	},

	// A message that goes by itself, unless it is bad news. The class is set here since releases
	// differ in where they take it.
	notify(text, level) {
		const node = ui.addNotification(null, E('p', { 'dir': direction(), 'role': 'status' }, [ text ]));

		node.classList.add(level || 'info');

		if (level != 'danger')
			window.setTimeout(() => node.remove(), NOTICE_SECONDS * 1000);
	},

	// Words of the daemon, which are English, a line each.
	lines(words) {
		return E('ul', { 'class': 'wap-lines', 'dir': 'ltr', 'lang': 'en' }, words.map(line => E('li', {}, [ line ])));
	},

	// Reasons: [ { level, text, lines } ].
	reasons(list) {
		return list.map(({ level, text, lines }) => E('div', { 'class': 'wap-reason wap-' + (level || 'note') }, [
			E('p', {}, [ text ]), lines?.length ? this.lines(lines) : ''
		]));
	},

	// Replaces children only where that shows, for a screen reader would read them again.
	content(node, children) {
		const fresh = Array.from(E('div', {}, children).childNodes);
		const old = node.childNodes;

		if (fresh.length != old.length || !fresh.every((child, i) => child.isEqualNode(old[i])))
			dom.content(node, fresh);
	}
});
