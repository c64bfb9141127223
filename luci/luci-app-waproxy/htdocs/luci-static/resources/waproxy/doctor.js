'use strict';
'require baseclass';
'require waproxy.backend as backend';
'require waproxy.number as number';
'require waproxy.page as page';

// Has the proxy look at itself, and shows the steps as they end.

const LOOK_MS = 500;
// The plugin leaves a proxy alone for as long that did not answer.
const MISSED_MS = 2000;
const MISSES_MAX = 5;
const LEVELS = { ok: 'good', warning: 'warn', failed: 'bad' };
const MARKS = { ok: '✓', warning: '!', failed: '✕' };

// What a step is called; one of a newer daemon by the name that it has there.
function title(name) {
	switch (name) {
	case 'configuration': return _('Settings');
	case 'clock': return _('Clock');
	case 'certificate': return _('Certificate');
	case 'address': return _('Address');
	case 'route': return _('Way to the Internet');
	case 'firewall': return _('Firewall');
	case 'answers': return _('Way of answers');
	case 'upstreams': return _('Upstreams');
	case 'ports': return _('Ports that people get');
	case 'chat_port': return _('Chat answers');
	case 'chat_tls': return _('Chat speaks TLS');
	case 'chat_noise': return _('WhatsApp answers to chat');
	case 'media_port': return _('Media answers');
	case 'media_tls': return _('WhatsApp\'s media server answers');
	default: return name;
	}
}

function reason({ name, result, milliseconds, what, cause }) {
	const time = result in MARKS ? ' (%s)'.format(number.milliseconds(milliseconds)) : '';

	return {
		level: LEVELS[result],
		text: '%s %s%s'.format(MARKS[result] || '–', title(name), time),
		lines: [ what, cause ].filter(line => line)
	};
}

function verdict(steps) {
	if (!steps.length || steps.some(({ result }) => result != 'ok' && result != 'warning'))
		return _('Something keeps people from using the proxy.');

	return steps.some(({ result }) => result == 'warning')
		? _('The proxy runs, but something is wrong')
		: _('All is well on the router. Whether people come in only a phone can tell that is not on your Wi-Fi.');
}

return baseclass.extend({
	reason,
	verdict,

	create() {
		const button = E('button', { 'class': 'btn cbi-button cbi-button-action', 'type': 'button', 'id': 'wap-check' }, [ _('Check the proxy') ]);
		const said = E('p', { 'role': 'status' });
		const list = E('div');

		async function look() {
			let begin = true, misses = 0;

			for (;;) {
				const { running, steps, error } = await backend.doctor(begin);

				if (error == 'not_running')
					return _('The proxy does not run');

				misses = error ? misses + 1 : 0;

				if (misses == MISSES_MAX)
					return _('The proxy does not answer');

				if (!error) {
					begin = false;
					page.content(list, page.reasons(steps.map(reason)));

					if (!running)
						return verdict(steps);
				}

				await new Promise(resolve => window.setTimeout(resolve, error ? MISSED_MS : LOOK_MS));
			}
		}

		button.addEventListener('click', async () => {
			button.disabled = true;
			button.classList.add('spinning');
			said.textContent = '';
			page.content(list, []);

			try {
				said.textContent = await look();
			}
			catch (error) {
				said.textContent = backend.explain(backend.trouble(error));
			}

			button.disabled = false;
			button.classList.remove('spinning');
		});

		return { node: E('div', {}, [ E('div', { 'class': 'wap-actions' }, [ button ]), said, list ]) };
	}
});
