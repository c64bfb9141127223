'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require waproxy.backend as backend';
'require waproxy.field as field';
'require waproxy.number as number';
'require waproxy.page as page';
'require waproxy.rules as rules';
'require waproxy.words as words';

// Every option of /etc/config/waproxy but `enabled`, which the switch on the page Overview keeps
// together with the start at boot. What the daemon would refuse is shown at its field; what is
// wrong between sections is shown above the form while it is being changed, and is not saved.

const list = value => Array.isArray(value) ? value : (value ? String(value).split(' ') : []);

// A switch for an option of the listener `chat_tls`. The dialog of that listener changes it too, and
// to more than this switch knows, so it is written only where it was switched.
function onePort(s) {
	const o = field.labelled(s.option(form.Flag, 'one_port', _('One port for chat and media'),
		_('Media then comes to the port of chat too, and the link names that port alone. The port of media stays open for people with an old link; switch it off under Listeners when nobody needs it any more.')));
	const { render, write } = o;

	o.ucisection = 'chat_tls';
	o.ucioption = 'service';
	o.enabled = 'auto';
	o.disabled = 'chat';
	o.default = 'chat';
	o.rmempty = false;
	o.switched = section_id => o.isActive(section_id) && (o.formvalue(section_id) == 'auto') != (o.cfgvalue(section_id) == 'auto');
	o.write = function(section_id) {
		return o.switched(section_id) ? write.apply(this, arguments) : null;
	};
	// That listener can be deleted while the page is open.
	o.render = function() {
		return uci.sections('waproxy', 'listener').some(listener => listener['.name'] == o.ucisection) ? render.apply(this, arguments) : E([]);
	};

	return o;
}

function general(map) {
	const s = map.section(form.NamedSection, 'main', 'waproxy', _('General'));
	let o;

	field.text(s, 'host', _('Public name or address'),
		_('What people enter: a name or an IPv4 address that leads to this router. Left empty, the page Share takes a dynamic DNS name of this router, or its Internet address.'),
		rules.host, 'proxy.example.org');

	const single = onePort(s);

	field.flag(s, 'firewall', '1', _('Open the firewall'), _('Lets people in on the public ports while the proxy runs. Otherwise you have to do that yourself.'));

	o = field.text(s, 'src_zone', _('Zone of the Internet'), _('The firewall zone that people come from.'), rules.zone, 'wan');
	o.depends('firewall', '1');
	o.retain = true;
	uci.sections('firewall', 'zone').forEach(zone => zone.name && o.value(zone.name));

	field.flag(s, 'port_mapping', '0', _('Ask the router in front'),
		_('Where another router stands between this one and the Internet, asks it to let people in (PCP, NAT-PMP, UPnP). It must allow that.'));

	field.text(s, 'upstream_interface', _('Way to WhatsApp'),
		_('The one network or device by which WhatsApp is reached. Left empty, as the routes of the router say.'), rules.device, 'wanb');

	o = field.labelled(s.option(form.ListValue, 'log_level', _('Log level'), _('Below debug, no line tells the address of a visitor.')));
	o.default = 'warn';
	o.optional = true;
	o.value('off', _('Nothing'));
	o.value('error', _('Errors'));
	o.value('warn', _('Warnings'));
	o.value('info', _('Information'));
	o.value('debug', _('Debugging'));
	o.value('trace', _('Everything'));

	field.flag(s, 'keep_history', '0', _('Keep the history'),
		_('Writes to the router, once an hour, what was carried each day and for how many people. Otherwise it is forgotten at a restart. It tells nothing of anybody, and backups leave it out.'));

	o = field.labelled(s.option(form.DynamicList, 'trusted_proxy', _('Trusted senders'),
		_('Addresses or networks of load balancers. Only these may send a PROXY header to a listener that expects one.')));
	o.validate = (section_id, text) => rules.network(text);
	o.placeholder = '192.0.2.7';

	o = field.labelled(s.option(form.DynamicList, 'media_name', _('Server names of media'),
		_('By these names media is known where chat and media share a port. A name that begins with a dot stands for all that end so. Left empty, the names that WhatsApp uses.')));
	o.validate = (section_id, text) => rules.serverName(text);

	field.text(s, 'workers', _('Threads'), _('How many threads carry connections. Left empty, one for each core.'), rules.workers, 'auto');

	return single;
}

// The listeners as they would be saved: `enabled` is changed in the grid, the rest in a dialog, and
// what one of them carries with the switch for one port too.
function listeners(enabled, single) {
	return uci.sections('waproxy', 'listener').map(section => Object.assign({}, section, {
		name: section['.name'],
		enabled: enabled?.getUIElement(section['.name']) ? enabled.formvalue(section['.name']) : section.enabled,
		service: single?.ucisection == section['.name'] && single.switched('main') ? single.formvalue('main') : section.service
	}));
}

function listenerGrid(map) {
	const s = map.section(form.GridSection, 'listener', _('Listeners'),
		_('The ports that people use. 443 and 587 look like any web or mail server; any other port marks the router as a proxy.'));
	let o;

	s.addremove = true;
	s.sortable = true;
	s.nodescriptions = true;

	const enabled = field.flag(s, 'enabled', '1', _('On'));
	enabled.editable = true;
	// A second box in the dialog would be at odds with this one.
	enabled.modalonly = false;

	const port = field.text(s, 'port', _('Public port'), _('The port that people enter.'), null, '443');
	port.rmempty = false;

	o = field.labelled(s.option(form.ListValue, 'service', _('Carries'), _('The upstream that its connections go to.')));
	o.load = function(section_id) {
		this.keylist = [];
		this.vallist = [];
		uci.sections('waproxy', 'upstream').forEach(upstream => this.value(upstream['.name'], words.service(upstream['.name'])));
		this.value('auto', words.service('auto'));

		return uci.get('waproxy', section_id, 'service');
	};
	// LuCI takes the text for HTML, here and below.
	o.textvalue = section_id => '%h'.format(words.service(uci.get('waproxy', section_id, 'service')));

	field.flag(s, 'tls', '0', _('TLS'), _('Ends TLS here. For chat on port 443; media brings its own.'));

	field.flag(s, 'accept_proxy', '0', _('PROXY header'), _('Each connection must begin with a PROXY header from a trusted sender. For load balancers, not for phones.'));

	o = field.labelled(s.option(form.ListValue, 'gate', _('Gate'), _('What becomes of a connection that does not begin as chat or media of WhatsApp does.')));
	o.default = 'off';
	o.modalonly = true;
	o.value('off', _('It is let in'));
	o.value('log', _('It is let in, and the log tells of it'));
	o.value('enforce', _('It is turned away'));

	o = field.text(s, 'decoy', _('For browsers'),
		_('What everybody sees who opens this port in a browser: a page of yours, as a file that ends in .html, or your web server, like 192.168.1.10:80. Left empty: nothing.'), rules.decoy);
	o.modalonly = true;
	for (const service of [ 'chat', 'auto' ])
		o.depends({ service, tls: '1' });

	const bind = field.text(s, 'bind_port', _('Port of the router'),
		_('Where the proxy really listens. Left empty: the public port, or 10000 more where that is below 1024.'));
	bind.modalonly = true;

	o = field.text(s, 'bind_address', _('Address of the router'), _('The one address to listen on. Left empty: all of them.'), rules.bindAddress);
	o.modalonly = true;

	// A port is held against the other listeners that are switched on, too.
	function beside(mine) {
		return function(section_id, text) {
			const ruled = rules.port(text);
			const now = name => this.section.formvalue(section_id, name);
			const on = listeners(enabled).filter(listener => rules.isOn(listener.enabled));

			if (ruled !== true || (mine == 'bind_port' && !text) || !on.some(listener => listener.name == section_id))
				return ruled;

			const self = Object.assign({
				name: section_id, port: now('port'), bind_port: now('bind_port'), bind_address: now('bind_address')
			}, { [mine]: text });
			const clashes = on.filter(other => other.name != section_id)
				.map(other => rules.clash(self, other)).filter(clash => clash);

			return clashes[0] || true;
		};
	}

	port.validate = beside('port');
	bind.validate = beside('bind_port');
	field.furnish(s);

	return enabled;
}

function upstreamGrid(map) {
	const s = map.section(form.GridSection, 'upstream', _('Upstreams'),
		_('The hosts of WhatsApp that services lead to. There is seldom a reason to change them.'));
	let o;

	s.addremove = true;
	s.nodescriptions = true;
	s.sectiontitle = words.service;

	o = field.labelled(s.option(form.DynamicList, 'address', _('Addresses'), _('Names or addresses with their port, best first.')));
	o.validate = (section_id, text) => rules.hostPort(text);
	o.placeholder = 'g.whatsapp.net:5222';
	o.rmempty = false;
	o.textvalue = section_id => '%h'.format(list(uci.get('waproxy', section_id, 'address')).join(', '));

	o = field.labelled(s.option(form.ListValue, 'proxy_header', _('PROXY header'),
		_('With a header WhatsApp learns the address of each visitor, as it would without a proxy. Media takes none.')));
	o.default = 'v1';
	o.value('none', _('None'));
	o.value('v1', _('Version 1'));
	o.value('v2', _('Version 2'));

	o = field.flag(s, 'allow_private', '0', _('Private addresses'), _('For tests only: lets these names lead into your home network.'));
	o.modalonly = true;
	field.furnish(s);
}

function limits(map) {
	const s = map.section(form.NamedSection, 'main', 'waproxy', _('Limits'),
		_('One phone opens several connections. Times are in seconds.'));

	field.text(s, 'max_connections', _('Connections'), _('The most at once. Left empty, as many as the router can carry.'), rules.connections, 'auto');
	field.text(s, 'max_connections_per_client', _('Connections of one visitor'), _('The most at once from one address; 0 means no limit.'), rules.countOrOff, '64');
	field.text(s, 'max_rate_per_client', _('New connections of one visitor'), _('The most in a second from one address; 0 means no limit.'), rules.countOrOff, '20');
	field.text(s, 'max_handshakes', _('Handshakes'), _('The most at once; 0 means no limit.'), rules.countOrOff, '64');
	field.text(s, 'connect_timeout', _('Time to connect'), _('To find a host of WhatsApp that answers.'), rules.seconds(1, 60), '5');
	field.text(s, 'handshake_timeout', _('Time for the handshake'), _('For the PROXY header and TLS together.'), rules.seconds(1, 120), '10');
	field.text(s, 'idle_timeout', _('Time without a byte'), _('A connection that is silent for so long is closed.'), rules.seconds(1, 86400), '200');
	field.text(s, 'half_close_timeout', _('Time after one side has closed'), _('How long the other side may then be silent.'), rules.seconds(1, 3600), '10');
	field.text(s, 'drain_timeout', _('Time to end'), _('What open connections get when the proxy stops.'), rules.seconds(0, 300), '3');
}

function budget(map) {
	const s = map.section(form.NamedSection, 'budget', 'budget', _('Budget and hours'),
		_('How much of your line the proxy may take, and when. When it is used up nobody is let in, until it begins anew.'));
	let o;

	field.text(s, 'bytes', _('Amount of data'), _('Like 50GB, as your provider counts: each byte twice, for it comes in and goes out again. Left empty, no limit.'), rules.amount);

	o = field.labelled(s.option(form.ListValue, 'period', _('Begins anew')));
	o.default = 'month';
	o.value('day', _('Every day'));
	o.value('month', _('Every month'));

	o = field.text(s, 'reset_day', _('Day of the month'), _('On which a month begins with your provider.'), rules.dayOfMonth, '1');
	o.depends('period', 'month');
	o.retain = true;

	field.text(s, 'rate', _('Speed'), _('For all people together, in Mbit/s in each direction. Left empty, no limit.'), rules.rate);
	field.flag(s, 'family_first', '0', _('Family first'), _('The speed gives way while the home itself uses the line.'));
	field.text(s, 'hours', _('Hours'), _('When people are let in, by the router\'s clock, like 07:00-23:00. 22:00-06:00 goes past midnight. Left empty, the whole day.'), rules.hours);

	o = field.labelled(s.option(form.MultiValue, 'weekday', _('Days'), _('On which these hours begin. None means every day.')));
	[ 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun' ].forEach((day, i) => o.value(day, number.weekday(i)));
}

function certificate(map) {
	const s = map.section(form.NamedSection, 'main', 'waproxy', _('Certificate'),
		_('Phones do not check it. Left empty, the proxy makes one with a random name, which gives nothing about you away. A certificate of your own needs both files.'));
	const pair = [ [ 'cert', _('Certificate file'), '/etc/ssl/acme/example.crt' ], [ 'key', _('Key file'), '/etc/ssl/acme/example.key' ] ];

	pair.forEach(([ name, title, placeholder ], i) => {
		const other = pair[1 - i][0];
		const o = field.text(s, name, title, _('The whole path of a PEM file.'), rules.path, placeholder);

		o.validate = function(section_id, text) {
			if (!text && this.section.formvalue(section_id, other))
				return _('The other file needs this one.');

			return rules.path(text);
		};
	});
}

return view.extend({
	load() {
		return Promise.all([
			uci.load('waproxy'),
			L.resolveDefault(uci.load('firewall')),
			backend.check().catch(error => ({ trouble: error }))
		]);
	},

	async render([ , , check ]) {
		const map = this.map = new form.Map('waproxy', _('Settings'), _('Save & Apply cuts nobody: connections that are open stay.'));

		map.tabbed = true;
		this.single = general(map);
		this.enabled = listenerGrid(map);
		upstreamGrid(map);
		limits(map);
		budget(map);
		certificate(map);

		this.findings = E('div', { 'role': 'alert' });

		// Sections come and go without an event of their own, but the form is then drawn anew.
		const draw = map.renderContents;

		map.renderContents = async () => {
			const drawn = await draw.call(map);

			this.showFindings();

			return drawn;
		};

		const node = await map.render();

		node.addEventListener('widget-change', () => this.showFindings());

		return page.root([ this.renderCheck(check), this.findings, node ]);
	},

	// What the daemon says of the settings that are saved.
	renderCheck(check) {
		if (check.trouble)
			return E('div', {}, page.reasons([ { level: 'bad', text: backend.explain(backend.trouble(check.trouble)) } ]));

		return E('div', {}, page.reasons([
			...(check.errors?.length ? [ { level: 'bad', text: _('The proxy refuses the settings as they are saved:'), lines: check.errors } ] : []),
			...(check.warnings?.length ? [ { level: 'warn', text: _('The proxy does not understand all of the settings:'), lines: check.warnings } ] : [])
		]));
	},

	find() {
		const now = (option, section) => {
			const found = this.map.lookupOption(option, section);

			return found ? found[0].formvalue(section) : uci.get('waproxy', section, option);
		};

		return rules.findings(
			listeners(this.enabled, this.single),
			uci.sections('waproxy', 'upstream').map(upstream => upstream['.name']),
			list(now('trusted_proxy', 'main')).length > 0,
			{ rate: now('rate', 'budget'), family_first: now('family_first', 'budget') }
		);
	},

	showFindings() {
		page.content(this.findings, page.reasons(this.find().map(text => ({ level: 'bad', text }))));
	},

	// A dialog and Delete write at once, so here is where the whole is judged.
	async handleSave(ev) {
		const found = this.find();

		this.showFindings();

		if (found.length) {
			this.findings.scrollIntoView({ block: 'center' });
			page.notify(_('Nothing more was saved: %s').format(found.join(' ')), 'danger');

			return false;
		}

		await this.map.save();

		return true;
	},

	async handleSaveApply(ev, mode) {
		if (await this.handleSave(ev))
			ui.changes.apply(mode == '0');
	}
});
