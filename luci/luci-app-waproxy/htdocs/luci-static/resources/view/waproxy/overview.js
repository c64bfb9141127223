'use strict';
'require view';
'require poll';
'require waproxy.backend as backend';
'require waproxy.days as days';
'require waproxy.doctor as doctor';
'require waproxy.graph as graph';
'require waproxy.number as number';
'require waproxy.page as page';
'require waproxy.table as table';
'require waproxy.words as words';

// Whether people can come in, and what passes. Everything is built once and then only written anew.

const POLL_SECONDS = 3;
// What changes seldom, or costs the router more, is asked for every so many polls.
const SELDOM = 3;

const MARKS = { good: '✓', wait: '…', warn: '!', bad: '✕', off: '–' };

function listenerRow(listener) {
	const port = listener.port == listener.bind_port ? String(listener.port) : '%d → %d'.format(listener.port, listener.bind_port);

	return {
		key: listener.name,
		cells: [
			listener.name,
			{ text: port, hint: listener.bind_address },
			words.service(listener.service),
			words.yes(listener.tls),
			words.yes(listener.accept_proxy),
			number.count(listener.active),
			{ text: number.count(listener.accepted), hint: words.counts(listener.ended) },
			{ text: number.count(words.sum(listener.refused)), hint: words.counts(listener.refused) },
			number.bytes(listener.bytes_up),
			number.bytes(listener.bytes_down)
		]
	};
}

// A row for each address, or one for an upstream whose addresses are not known.
function upstreamRows(upstream) {
	const row = (address, i) => ({
		key: '%s %d'.format(upstream.name, i),
		cells: [
			words.service(upstream.name),
			address.name,
			address.address,
			words.health(address.health),
			address.connect_ms == null ? '' : number.milliseconds(address.connect_ms),
			address.last_error
		]
	});

	return upstream.addresses.length
		? upstream.addresses.map(row)
		: [ row({ health: upstream.health, last_error: upstream.last_error }, 0) ];
}

function certificateFacts(certificate) {
	if (!certificate)
		return [ E('p', {}, [ _('No certificate is in use.') ]) ];

	const facts = [
		[ _('Made by'), certificate.whose == 'operator' ? _('You') : _('The proxy, with a random name') ],
		[ _('Names'), number.list(certificate.names || []) ],
		[ _('Valid until'), number.day(certificate.not_after_unix) ],
		[ _('Fingerprint (SHA-256)'), certificate.sha256 ]
	];

	return [ E('dl', { 'class': 'wap-values' }, facts.flatMap(([ name, value ]) => [
		E('dt', {}, [ name ]), E('dd', {}, [ E('bdi', {}, [ value ]) ])
	])) ];
}

const sum = (listeners, field) => listeners.reduce((total, listener) => total + listener[field], 0);

// A number with what it is, and a line of small print.
function tile(title) {
	const value = E('strong'), small = E('small');

	return {
		node: E('div', { 'class': 'wap-tile' }, [ title, value, small ]),

		update(text, print) {
			value.textContent = text;
			small.textContent = print;
		}
	};
}

return view.extend({
	async load() {
		const [ status, history, past, wan ] = await Promise.all([
			backend.status().catch(error => ({ error })),
			backend.history().catch(() => null),
			backend.days().catch(() => null),
			backend.wan().catch(() => null)
		]);

		return { status, history, past, wan };
	},

	render(data) {
		this.editable = !!L.hasViewPermission();
		this.wan = data.wan;
		this.check = null;
		this.polls = 0;
		this.build();

		if (data.status.error) {
			this.fail(data.status.error);
		}
		else {
			this.graph.update(data.history);
			this.days.update(data.past);
			this.show(data.status);
		}

		poll.add(() => this.refresh(), POLL_SECONDS);

		return this.root;
	},

	// === the parts ===

	build() {
		this.trouble = E('div', { 'role': 'alert' });
		this.mark = E('span', { 'class': 'wap-mark', 'aria-hidden': 'true' });
		this.title = E('span');
		this.faults = E('div');
		this.notes = E('div');
		this.toggle = E('input', {
			'type': 'checkbox', 'role': 'switch', 'id': 'wap-switch', 'disabled': '', 'aria-describedby': 'wap-odd',
			'change': ev => this.switchTo(ev.target.checked)
		});
		this.odd = E('p', { 'id': 'wap-odd' });
		this.state = E('div', { 'class': 'wap-state' }, [
			E('div', { 'class': 'wap-words' }, [
				E('div', { 'aria-live': 'polite' }, [ E('h3', {}, [ this.mark, this.title ]), this.faults ]), this.notes
			]),
			E('div', {}, [ E('label', { 'class': 'wap-switch', 'for': 'wap-switch' }, [ this.toggle, _('Let people use this proxy') ]), this.odd ])
		]);
		this.buttons = {
			start: this.button('start', _('Start'), 'cbi-button-positive'),
			stop: this.button('stop', _('Stop'), 'cbi-button-negative'),
			restart: this.button('restart', _('Restart'), 'cbi-button-action'),
			mend: this.button('mend', _('Start after a reboot too'), 'cbi-button-action')
		};
		this.tiles = {
			now: tile(_('Connections now')),
			today: tile(_('Today')),
			people: tile(_('People today')),
			total: tile(_('Since the start')),
			uptime: tile(_('Runs for'))
		};
		this.graph = graph.create();
		this.days = days.create();
		this.listeners = table.create([
			{ title: _('Listener') }, { title: _('Port'), ltr: true }, { title: _('Carries') }, { title: _('TLS') },
			{ title: _('PROXY header') }, { title: _('Open now') }, { title: _('Accepted') }, { title: _('Turned away') },
			{ title: _('To WhatsApp') }, { title: _('To people') }
		], _('Nothing yet.'));
		this.upstreams = table.create([
			{ title: _('Upstream') }, { title: _('Name'), ltr: true }, { title: _('Address'), ltr: true }, { title: _('State') },
			{ title: _('Delay') }, { title: _('Last error'), ltr: true }
		], _('Nothing yet.'));
		this.certificate = E('div');
		this.facts = E('div', {}, [
			E('div', { 'class': 'wap-tiles' }, Object.values(this.tiles).map(one => one.node)),
			E('h3', {}, [ _('Last minutes') ]), this.graph.node,
			E('h3', {}, [ _('Last days') ]), this.days.node,
			...(this.editable ? [ doctor.create().node ] : []),
			E('h3', {}, [ _('Listeners') ]), this.listeners.node,
			E('h3', {}, [ _('Upstreams') ]), this.upstreams.node,
			E('h3', {}, [ _('Certificate') ]), this.certificate
		]);
		this.root = page.root([
			E('h2', {}, [ _('WhatsApp Proxy') ]),
			this.trouble,
			this.state,
			E('div', { 'class': 'wap-actions' }, [
				E('a', { 'class': 'btn cbi-button cbi-button-apply', 'href': L.url('admin/services/waproxy/share') }, [ _('Share the link') ]),
				...Object.values(this.buttons)
			]),
			this.facts
		]);
	},

	button(action, text, style) {
		return E('button', {
			'class': 'btn cbi-button %s'.format(style), 'type': 'button', 'disabled': '', 'data-action': action,
			'click': ev => this.act(action, ev.currentTarget)
		}, [ text ]);
	},

	// === what is asked for ===

	async refresh() {
		if (this.busy)
			return;

		try {
			const seldom = this.polls++ % SELDOM == 0;
			const [ status, history, past, wan ] = await Promise.all([
				backend.status(),
				backend.optional(backend.history()),
				seldom ? backend.optional(backend.days()) : null,
				seldom ? backend.optional(backend.wan()) : this.wan
			]);

			// Only the daemon's own program knows why it does not start.
			const dead = status.service.enabled && !status.service.running;
			const check = dead && (seldom || !this.check) ? await backend.optional(backend.check()) : this.check;

			// What was asked before something was done may be answered after it.
			if (this.busy)
				return;

			Object.assign(this, { wan, check });
			this.graph.update(history);
			this.days.update(past);
			this.show(status);
		}
		catch (error) {
			if (!this.busy)
				this.fail(error);
		}
	},

	switchTo(on) {
		return this.work(this.toggle, () => backend.switchTo(on), on ? 'on' : 'off');
	},

	act(action, button) {
		return this.work(button, () => backend.service(action == 'mend' ? 'enable' : action), action);
	},

	// Does something while everything that could be clicked is not, and says how it went.
	async work(node, task, action) {
		const controls = [ this.toggle, ...Object.values(this.buttons) ];
		const around = node === this.toggle ? node.parentNode : node;

		this.busy = true;
		controls.forEach(control => control.disabled = true);
		around.classList.add('spinning');

		try {
			await task();
			page.notify(words.done(action));
		}
		catch (error) {
			page.notify(_('That did not work: %s').format(error.message), 'danger');
		}

		around.classList.remove('spinning');
		this.busy = false;
		this.check = null;
		await this.refresh();
		// What was clicked may make no sense any more.
		[ node, ...Object.values(this.buttons), this.toggle ].find(control => !control.disabled)?.focus();
	},

	// === what is shown ===

	fail(error) {
		const kind = backend.trouble(error);

		this.facts.classList.add('wap-stale');
		this.state.classList.add('wap-stale');
		[ this.toggle, ...Object.values(this.buttons) ].forEach(control => control.disabled = true);
		page.content(this.trouble, [
			E('div', { 'class': 'alert-message warning' }, [ E('p', {}, [ backend.explain(kind, this.seen && number.time(this.seen)) ]) ])
		]);

		if (!this.seen)
			this.state.style.display = this.facts.style.display = 'none';
	},

	show(status) {
		const { service, daemon } = status;
		const state = words.state(status, this.wan, this.check, Date.now() / 1000);
		const can = words.actions(status);

		this.seen = new Date();
		this.facts.classList.remove('wap-stale');
		this.state.classList.remove('wap-stale');
		this.state.style.display = '';
		// Nothing but empty tables; while it restarts they stay, so that the page does not jump.
		this.facts.style.display = daemon || service.running ? '' : 'none';
		page.content(this.trouble, []);

		this.state.className = 'wap-state wap-%s'.format(state.level);
		this.mark.textContent = MARKS[state.level];

		if (this.title.textContent != state.title)
			this.title.textContent = state.title;

		page.content(this.faults, page.reasons(state.reasons.filter(({ level }) => level != 'note')));
		page.content(this.notes, page.reasons(state.reasons.filter(({ level }) => level == 'note')));
		this.toggle.checked = service.enabled;
		this.toggle.disabled = !this.editable;
		this.odd.textContent = words.odd(service) || '';

		for (const action in this.buttons)
			this.buttons[action].disabled = !this.editable || !can[action];

		this.buttons.mend.style.display = can.mend ? '' : 'none';
		this.showDaemon(daemon);
	},

	showDaemon(daemon) {
		const listeners = daemon?.listeners || [];
		const { tiles } = this;

		if (daemon) {
			const { now, peak, cap } = daemon.connections;
			const { today } = daemon;

			tiles.now.update(number.count(now), _('at most %s so far, %s are possible').format(number.count(peak), number.count(cap)));
			tiles.today.update(today ? number.bytes(today.bytes_up + today.bytes_down) : '–',
				today ? N_(today.connections, '%s connection', '%s connections').format(number.count(today.connections)) : '');
			tiles.people.update(number.about(daemon.people_today), _('%s in seven days, each day counted anew').format(number.about(daemon.people_week)));
			tiles.total.update(number.bytes(sum(listeners, 'bytes_up') + sum(listeners, 'bytes_down')),
				_('%s to WhatsApp, %s to people').format(number.bytes(sum(listeners, 'bytes_up')), number.bytes(sum(listeners, 'bytes_down'))));
			tiles.uptime.update(number.duration(daemon.uptime_seconds),
				_('Version %s, %s of memory').format(daemon.version, number.bytes(daemon.memory_bytes)));
		}
		else {
			Object.values(tiles).forEach(one => one.update('–', ''));
		}

		this.listeners.update(listeners.map(listenerRow));
		this.upstreams.update((daemon?.upstreams || []).flatMap(upstreamRows));
		page.content(this.certificate, certificateFacts(daemon?.certificate));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
