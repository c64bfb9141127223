'use strict';
'require view';
'require poll';
'require uci';
'require uqr';
'require waproxy.backend as backend';
'require waproxy.page as page';
'require waproxy.rules as rules';
'require waproxy.share as share';
'require waproxy.words as words';

// The link that sets WhatsApp up on a phone, as text, as a QR code and by hand, and what to know
// before it is given away.

const POLL_SECONDS = 10;
// Pixels of a module of the QR code, where its picture is not scaled.
const MODULE = 8;

// The QR code of a link. Black on white whatever the theme, for not every reader takes the reverse;
// readers want four modules of white around it, of which the library draws one.
function code(link) {
	const text = uqr.renderSVG(link, { pixelSize: MODULE, whiteColor: '#ffffff', blackColor: '#000000' });
	const svg = document.importNode(new DOMParser().parseFromString(text, 'image/svg+xml').documentElement, true);
	const size = +svg.getAttribute('width') + 6 * MODULE;
	const ground = svg.querySelector('rect').cloneNode();

	svg.setAttribute('viewBox', '%d %d %d %d'.format(-3 * MODULE, -3 * MODULE, size, size));
	svg.setAttribute('role', 'img');
	svg.setAttribute('aria-label', _('QR code of the link'));
	[ [ 'x', -3 * MODULE ], [ 'y', -3 * MODULE ], [ 'width', size ], [ 'height', size ] ].forEach(([ name, value ]) => ground.setAttribute(name, value));
	svg.insertBefore(ground, svg.firstChild);
	svg.setAttribute('width', size);
	svg.setAttribute('height', size);

	return svg;
}

// Copies what a field holds. LuCI mostly comes over plain HTTP, where browsers have no clipboard
// for pages but let a selection be copied.
async function copy(field) {
	field.focus();
	field.select();

	if (navigator.clipboard)
		await navigator.clipboard.writeText(field.value);
	else if (!document.execCommand('copy'))
		throw new Error();
}

async function handleCopy(field) {
	try {
		await copy(field);
		page.notify(_('Copied.'));
	}
	catch (e) {
		page.notify(_('The browser does not let this page copy. The text is selected: copy it yourself.'), 'warning');
	}
}

function save(text, name) {
	const url = URL.createObjectURL(new Blob([ text ], { type: 'image/svg+xml' }));
	const link = E('a', { 'href': url, 'download': name });

	document.body.appendChild(link);
	link.click();
	link.remove();
	// The browser fetches it only after this.
	window.setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function button(text, style, click) {
	return E('button', { 'class': 'btn cbi-button %s'.format(style), 'type': 'button', 'click': click }, [ text ]);
}

function renderShare(found) {
	const svg = code(found.link);
	const link = E('input', {
		'class': 'cbi-input-text wap-link', 'aria-labelledby': 'wap-link-title', 'type': 'text', 'readonly': '', 'dir': 'ltr', 'value': found.link
	});
	const letter = E('textarea', {
		'class': 'cbi-input-textarea wap-link', 'aria-labelledby': 'wap-letter-title', 'readonly': '', 'rows': 18, 'dir': page.direction()
	}, [ share.letter(found) ]);

	return [
		E('div', { 'class': 'wap-share' }, [
			E('div', {}, [
				E('div', { 'class': 'wap-code' }, [ svg ]),
				E('div', { 'class': 'wap-actions' }, [
					button(_('Save QR code as SVG'), 'cbi-button-action', () => save(new XMLSerializer().serializeToString(svg), 'whatsapp-proxy.svg'))
				])
			]),
			E('div', {}, [
				E('h3', { 'id': 'wap-link-title' }, [ _('Link') ]),
				E('p', {}, [ _('Opened on a phone, or scanned from the code, it sets WhatsApp up.') ]),
				link,
				E('div', { 'class': 'wap-actions' }, [ button(_('Copy the link'), 'cbi-button-apply', () => handleCopy(link)) ]),
				E('h3', {}, [ _('By hand') ]),
				E('dl', { 'class': 'wap-values' }, share.values(found).flatMap(([ name, value ]) => [
					E('dt', {}, [ name ]), E('dd', {}, [ E('bdi', { 'dir': 'ltr' }, [ value ]) ])
				])),
				E('h3', { 'id': 'wap-letter-title' }, [ _('A text to send along') ]),
				letter,
				E('div', { 'class': 'wap-actions' }, [ button(_('Copy the text'), 'cbi-button-apply', () => handleCopy(letter)) ]),
				E('p', {}, [ _('The link tells your Internet address to everybody who sees it. Give it to people you trust.') ])
			])
		])
	];
}

return view.extend({
	load() {
		return this.ask();
	},

	async ask() {
		// It may have been changed meanwhile.
		uci.unload('waproxy');

		try {
			const [ found, status, wan ] = await Promise.all([
				backend.share(), backend.status(), backend.optional(backend.wan()), L.resolveDefault(uci.load('waproxy'))
			]);

			return { found, status, wan };
		}
		catch (error) {
			return { error };
		}
	},

	render(answer) {
		this.outside = E('p');
		this.warnings = E('div', { 'aria-live': 'polite' });
		this.body = E('div');
		this.show(answer);
		poll.add(async () => this.show(await this.ask()), POLL_SECONDS);

		return page.root([ E('h2', {}, [ _('Share') ]), this.outside, this.warnings, this.body ]);
	},

	show({ error, found, status, wan }) {
		this.body.classList.toggle('wap-stale', !!error);

		if (error) {
			page.content(this.warnings, page.reasons([ { level: 'bad', text: backend.explain(backend.trouble(error)) } ]));
			return;
		}

		const list = share.warnings(found, status, wan, rules.isOn(uci.get('waproxy', 'main', 'firewall')));

		if (!found.share && status.daemon)
			list.push(share.nothing(found.error));

		this.outside.textContent = status.daemon ? words.lastOutside(status.daemon.last_outside_seconds) : '';
		page.content(this.warnings, page.reasons(list));

		// Built anew only with another link, so that a selection stays.
		if (found.share?.link != this.link) {
			this.link = found.share?.link;
			this.body.replaceChildren(...(found.share ? renderShare(found.share) : []));
		}
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
