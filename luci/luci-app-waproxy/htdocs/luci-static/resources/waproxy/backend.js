'use strict';
'require baseclass';
'require rpc';
'require uci';
'require ui';

// Everything that is asked of the router, and what it means when an answer does not come.

const callStatus = rpc.declare({ object: 'luci.waproxy', method: 'status', expect: { '': {} }, reject: true });
const callHistory = rpc.declare({ object: 'luci.waproxy', method: 'history', expect: { '': {} }, reject: true });
const callDays = rpc.declare({ object: 'luci.waproxy', method: 'days', expect: { days: [] }, reject: true });
const callShare = rpc.declare({ object: 'luci.waproxy', method: 'share', expect: { '': {} }, reject: true });
const callCheck = rpc.declare({ object: 'luci.waproxy', method: 'check', expect: { '': {} }, reject: true });
const callWan = rpc.declare({ object: 'luci.waproxy', method: 'wan', expect: { '': {} }, reject: true });
const callDoctor = rpc.declare({
	object: 'luci.waproxy', method: 'doctor', params: [ 'begin' ], expect: { '': {} }, reject: true
});
const callService = rpc.declare({
	object: 'luci.waproxy', method: 'service', params: [ 'action' ], expect: { '': {} }, reject: true
});
const callLog = rpc.declare({
	object: 'log', method: 'read', params: [ 'lines', 'stream', 'oneshot' ], expect: { log: [] }, reject: true
});
const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'rollback' ], reject: true });

// What went wrong with a call: `session`, `denied`, `missing` (no such object) or `router`.
function trouble(error) {
	const text = String(error?.message || error);

	if (error?.name == 'SessionError')
		return 'session';

	if (text.includes('-32002') || text.includes('ubus code 6'))
		return 'denied';

	if (text.includes('-32000') || text.includes('-32601') || text.includes('ubus code 4') || text.includes('ubus code 3'))
		return 'missing';

	return 'router';
}

// The same in words; `since` is when the last answer came.
function explain(kind, since) {
	switch (kind) {
	case 'session':
		return _('Your login has expired. Log in again to see how the proxy fares.');
	case 'denied':
		return _('This login is not allowed to see the proxy.');
	case 'missing':
		return _('The router does not know this page\'s backend yet. Restart rpcd or the router.');
	default:
		return since
			? _('The router does not answer. What you see is from %s.').format(since)
			: _('The router does not answer.');
	}
}

// Runs an action of the service; throws in words what did not work.
async function service(action) {
	const answer = await callService(action);

	if (!answer.ok)
		throw new Error(answer.message || _('The router did not say why.'));
}

return baseclass.extend({
	status: callStatus,
	history: callHistory,
	days: callDays,
	share: callShare,
	check: callCheck,
	doctor: callDoctor,
	wan: callWan,
	log: callLog,
	trouble,
	explain,
	service,

	// What is settled, and null for what failed: for what a page can do without.
	optional(promise) {
		return promise.catch(error => {
			if (trouble(error) == 'session')
				throw error;

			return null;
		});
	},

	// Sets the option `enabled` and whether the service starts at boot together, and starts or
	// stops it. To apply is to apply everything that waits, so all other changes hold it up.
	async switchTo(on) {
		const waiting = Object.entries(await uci.changes() || {});

		if (waiting.some(([ config ]) => config != 'waproxy'))
			throw new Error(_('Changes made on other pages wait to be applied. Apply or revert them first.'));

		if (waiting.some(([ , changes ]) => changes.some(([ , section, option ]) => section != 'main' || option != 'enabled')))
			throw new Error(_('Changes made under Settings wait to be applied. Apply or revert them first.'));

		await uci.load('waproxy');

		if (uci.get('waproxy', 'main') == null)
			uci.add('waproxy', 'waproxy', 'main');

		uci.set('waproxy', 'main', 'enabled', on ? '1' : '0');
		await uci.save();
		await callApply(false);
		uci.unload('waproxy');
		ui.changes.init();
		await service(on ? 'enable' : 'disable');
		await service(on ? 'start' : 'stop');
	}
});
