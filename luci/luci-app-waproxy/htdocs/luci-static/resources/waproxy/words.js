'use strict';
'require baseclass';
'require waproxy.number as number';

// What the router answers, in words: states, reasons and results, for people who know nothing of
// proxies. Touches no page, so that tests can ask for every case.

const DAY = 86400;
const SOON = 30 * DAY;

// From bad to good; the worst reason gives a state its level.
const LEVELS = [ 'bad', 'warn', 'wait', 'good' ];

function reason(level, text, lines) {
	return { level, text, lines: lines || [] };
}

function service(name) {
	switch (name) {
	case 'chat': return _('Chat');
	case 'media': return _('Media');
	case 'web': return _('Web');
	case 'auto': return _('Chat and media');
	default: return name;
	}
}

// Whether somebody came in from outside of late, which proves more than anything the router knows.
function proven(daemon) {
	return daemon?.last_outside_seconds != null && daemon.last_outside_seconds < DAY;
}

// What stands between the Internet and the router, unless a visitor has proved otherwise since the
// router has this address. Without an address there is nothing to prove.
function reach(daemon, wan, ports) {
	if (!wan || (wan.ipv4_kind != 'none' && proven(daemon) && daemon.last_outside_seconds < wan.up_seconds))
		return [];

	const mapping = daemon.port_mapping;
	const refused = mapping?.ports.filter(port => port.error) || [];

	// The router in front lets people in.
	if (mapping?.external && daemon.address.kind == 'public' && !refused.length)
		return [];

	// Behind a name or an address of the operator's there may be a tunnel or a forwarding.
	const level = daemon.host ? 'warn' : 'bad';

	switch (wan.ipv4_kind) {
	case 'none':
		return [ reason(level, _('The router has no public Internet address (IPv4). As soon as it has one, people can come in.')) ];
	case 'carrier_nat':
		return [ reason(level, _('Your provider shares one Internet address among many customers (carrier-grade NAT). Nobody outside can reach this router. Ask your provider for a public IPv4 address.')) ];
	case 'private':
		return [
			reason('warn', _('Another router stands between this one and the Internet. Forward these ports from there to this router: %s.')
				.format(refused.length ? number.list(refused.map(({ port }) => String(port))) : ports)),
			mapping
				? reason('warn', _('That router was asked to let people in, and this came of it:'), daemon.hints)
				: reason('note', _('The proxy can ask that router for it: under Settings, Ask the router in front.'))
		];
	default:
		return [];
	}
}

function upstreams(daemon) {
	const names = health => daemon.upstreams.filter(upstream => upstream.health == health).map(upstream => upstream.name);
	const listed = list => number.list(list.map(service));
	const down = names('down'), failing = names('failing');
	const found = [];

	// Without chat nothing works; where another is down alone, the Internet is there.
	if (down.includes('chat') || (down.length && down.length == daemon.upstreams.length))
		found.push(reason('bad', _('WhatsApp does not answer: %s. Is the router connected to the Internet?').format(listed(down))));
	else if (down.length)
		found.push(reason('warn', _('WhatsApp does not answer: %s. The proxy keeps trying.').format(listed(down))));

	if (failing.length)
		found.push(reason('warn', _('WhatsApp answers badly: %s. The proxy keeps trying.').format(listed(failing))));

	return found;
}

function certificate(daemon, now) {
	const { error, unkept, not_after_unix, whose } = daemon.certificate || {};
	const found = [
		...(error ? [ reason('warn', _('Your own certificate is not in use:'), [ error ]) ] : []),
		...(unkept ? [ reason('warn', _('The proxy cannot save its certificate, and would make another one when it restarts. It keeps trying. This is what it says:'), [ unkept ]) ] : [])
	];

	// The proxy renews its own by itself.
	if (!error && whose == 'operator' && not_after_unix - now < SOON)
		found.push(reason('warn', _('The certificate ends on %s.').format(number.day(not_after_unix))));

	return found;
}

function isFull({ connections }) {
	return connections.cap && connections.now >= connections.cap;
}

// Everything that is wrong with a daemon that runs; `outside` is what stands between it and people.
function faults(daemon, outside, now) {
	return [
		...upstreams(daemon),
		...outside,
		...(daemon.configuration_errors?.length ? [ reason('warn', _('The settings are wrong. The proxy goes on with those from before. This is what it says:'), daemon.configuration_errors) ] : []),
		...(daemon.service_problems?.length ? [ reason('warn', _('Not everything could be set up on the router:'), daemon.service_problems) ] : []),
		...(isFull(daemon) ? [ reason('warn', _('%s connections are open, and no more are let in.').format(number.count(daemon.connections.now))) ] : []),
		...certificate(daemon, now)
	];
}

function lastOutside(seconds) {
	if (seconds == null)
		return _('Nobody has come in from outside since the proxy started.');

	// Seconds would change all the time, and tell nobody more.
	return seconds < 60
		? _('Last connection from outside: less than a minute ago.')
		: _('Last connection from outside: %s.').format(number.ago(seconds));
}

// Where people reach the router, unless that is an address that only its neighbours reach.
function address(wan) {
	return !wan?.host || (wan.host == wan.ipv4 && wan.ipv4_kind != 'public') ? [] : [ reason('note', _('The address from outside is %s.').format(wan.host)) ];
}

// The title of a proxy that runs with something wrong.
function warned(daemon, outside) {
	if (isFull(daemon))
		return _('The proxy is full');

	// Where something stands in the way, or a port could not be opened, who came in proves little.
	return proven(daemon) && !outside.length && !daemon.service_problems?.length
		? _('People come in, but something is wrong')
		: _('The proxy runs, but something is wrong');
}

// How much of the budget is used, where there is one.
function used({ budget }) {
	return budget?.bytes ? [ reason('note', _('%s of a budget of %s are used.').format(number.bytes(budget.used_bytes), number.bytes(budget.bytes))) ] : [];
}

// Why nobody is let in just now, as the settings say.
function paused({ budget }) {
	const until = number.until(budget.until_unix);

	return budget.pause == 'budget'
		? _('The budget is used up. People can come in again from %s.').format(until)
		: _('It is outside of the hours. People can come in again from %s.').format(until);
}

function running({ service, daemon }, wan, now) {
	const outside = reach(daemon, wan, number.list(daemon.listeners.map(listener => String(listener.port))));
	const list = faults(daemon, outside, now);

	if (!service.enabled)
		list.push(reason('warn', _('The proxy still runs although it is switched off.')));

	if (daemon.budget?.pause)
		return { level: 'wait', title: _('Closed for now'), reasons: [ ...list, reason('note', paused(daemon)), ...used(daemon) ] };

	const level = LEVELS.find(one => list.some(fault => fault.level == one)) || (proven(daemon) ? 'good' : 'wait');
	const last = reason('note', lastOutside(daemon.last_outside_seconds));
	const rest = [ ...address(wan), ...used(daemon) ];

	switch (level) {
	case 'bad':
		return { level, title: _('People cannot come in'), reasons: [ ...list, last ] };
	case 'warn':
		return { level, title: warned(daemon, outside), reasons: [ ...list, last, ...rest ] };
	case 'good':
		return { level, title: _('People can come in'), reasons: [ last, ...rest ] };
	default:
		return {
			level,
			title: _('Ready'),
			reasons: [ last, ...rest, reason('note', _('The router cannot test that by itself. Open the link from the page Share on a phone that is not on your Wi-Fi.')) ]
		};
	}
}

// Whether people can come in: { level, title, reasons }. `answer` is that of `status`, `check` that
// of `check` or null, `wan` that of `wan` or null, `now` in seconds since 1970.
function state(answer, wan, check, now) {
	const { service, daemon, daemon_error } = answer;

	if (daemon?.state == 'draining')
		return { level: 'warn', title: _('Stopping'), reasons: [ reason('note', _('Nobody new is let in. Open connections get a moment to end.')) ] };

	if (daemon)
		return running(answer, wan, now);

	if (service.running)
		return daemon_error == 'no_answer'
			? { level: 'bad', title: _('The proxy does not answer'), reasons: [ reason('note', _('It runs, but says nothing. If that stays so, restart it.')) ] }
			: { level: 'warn', title: _('Starting'), reasons: [ reason('note', _('It has not answered yet. If that stays so, the page Log says why.')) ] };

	if (!service.enabled)
		return { level: 'off', title: _('Switched off'), reasons: [ reason('note', _('Nobody can come in. Switch the proxy on to let people use it.')) ] };

	const lines = [ ...(answer.problems || []), ...(check?.errors || []) ].filter((line, i, all) => all.indexOf(line) == i);

	return {
		level: 'bad',
		title: _('The proxy does not run'),
		reasons: [ lines.length
			? reason('bad', _('It is switched on, but it cannot start. This is what it says:'), lines)
			: reason('bad', _('It is switched on, but it does not run. Start it, or see the page Log.')) ]
	};
}

// The odd one of the option `enabled` and the start at boot, or null.
function odd(service) {
	if (service.enabled == service.boot)
		return null;

	return service.enabled
		? _('It is switched on, but it would not start after a reboot.')
		: _('The start at boot is set up already. Nothing runs until you switch this on.');
}

// Which actions make sense.
function actions({ service, daemon }) {
	return {
		start: service.enabled && !service.running,
		stop: service.running && daemon?.state != 'draining',
		restart: service.running,
		mend: service.enabled && !service.boot
	};
}

function health(word) {
	switch (word) {
	case 'up': return { text: _('answers'), level: 'good' };
	case 'failing': return { text: _('answers badly'), level: 'warn' };
	case 'down': return { text: _('does not answer'), level: 'bad' };
	default: return { text: _('not tried yet') };
	}
}

// What an action has led to.
function done(action) {
	switch (action) {
	case 'on': return _('The proxy is switched on.');
	case 'off': return _('The proxy is switched off.');
	case 'start': return _('The proxy has been started.');
	case 'stop': return _('The proxy has been stopped.');
	case 'restart': return _('The proxy has been restarted.');
	default: return _('The proxy will start after a reboot.');
	}
}

return baseclass.extend({
	service,
	proven,
	reach,
	lastOutside,
	state,
	odd,
	actions,
	health,
	done,

	// Counts by reason, a line each.
	counts(reasons) {
		return Object.keys(reasons || {}).filter(key => reasons[key] > 0).map(key => '%s: %s'.format(key, number.count(reasons[key]))).join('\n');
	},

	sum(reasons) {
		return Object.values(reasons || {}).reduce((sum, times) => sum + times, 0);
	},

	yes(value) {
		return value ? _('Yes') : _('No');
	}
});
