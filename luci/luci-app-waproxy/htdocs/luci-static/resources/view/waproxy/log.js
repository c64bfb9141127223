'use strict';
'require view';
'require poll';
'require waproxy.backend as backend';
'require waproxy.number as number';
'require waproxy.page as page';

// The lines of the proxy and of its init script in the system log, newest first. Asked for over
// ubus, which OpenWrt 24.10 and 25.12 have alike.

// The router has no way to leave out other services' lines, so this is no small answer.
const POLL_SECONDS = 15;
const LINES = 2000;
const SHOWN = 300;

const text = entry => entry.msg.slice(entry.msg.indexOf(': ') + 2);

// The level as syslog has it: 0 to 7, from bad to good. Whatever the daemon says on standard error
// procd logs as an error, but the line begins with what it is.
function level(entry) {
	if (text(entry).startsWith('warning: '))
		return 4;

	return entry.priority & 7;
}

function mark(entry) {
	if (level(entry) <= 3)
		return 'wap-text-bad';

	return level(entry) == 4 ? 'wap-text-warn' : '';
}

// "waproxy[123]: text" of the daemon, "waproxy: text" of the init script.
function own(entry) {
	return entry.msg.startsWith('waproxy[') || entry.msg.startsWith('waproxy:');
}

function row(entry) {
	const date = new Date(entry.time);

	return E('div', {}, [
		E('time', { 'datetime': date.toISOString(), 'dir': 'ltr' }, [ number.moment(date) ]),
		E('code', { 'class': mark(entry), 'dir': 'ltr' }, [ text(entry) ])
	]);
}

return view.extend({
	load() {
		return this.ask();
	},

	async ask() {
		try {
			return { entries: await backend.log(LINES, false, true) };
		}
		catch (error) {
			return { error };
		}
	},

	render(answer) {
		this.trouble = E('div', { 'role': 'alert' });
		this.lines = E('div', { 'class': 'wap-log' });
		this.least = E('select', { 'class': 'cbi-input-select', 'id': 'wap-level', 'change': () => this.show(this.answer) }, [
			E('option', { 'value': 7 }, [ _('Everything') ]),
			E('option', { 'value': 4 }, [ _('Warnings and errors') ]),
			E('option', { 'value': 3 }, [ _('Errors only') ])
		]);
		this.show(answer);
		poll.add(async () => this.show(await this.ask()), POLL_SECONDS);

		return page.root([
			E('h2', {}, [ _('Log') ]),
			E('p', {}, [ _('What the proxy has to say, newest first. No line tells who its visitors are, unless you set the log level to debug.') ]),
			E('div', { 'class': 'wap-filter' }, [ E('label', { 'for': 'wap-level' }, [ _('Show') ]), this.least ]),
			this.trouble,
			this.lines
		]);
	},

	show(answer) {
		this.lines.classList.toggle('wap-stale', !!answer.error);

		if (answer.error) {
			const kind = backend.trouble(answer.error);
			const reason = kind == 'missing' ? _('This router keeps no log: the service logd does not run.') : backend.explain(kind);

			page.content(this.trouble, page.reasons([ { level: 'bad', text: reason } ]));
			return;
		}

		this.answer = answer;
		page.content(this.trouble, []);

		const entries = answer.entries.filter(entry => own(entry) && level(entry) <= +this.least.value);

		page.content(this.lines, entries.length
			? entries.slice(-SHOWN).reverse().map(row)
			: [ E('p', {}, [ _('Nothing yet.') ]) ]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
