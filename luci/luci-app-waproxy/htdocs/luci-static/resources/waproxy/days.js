'use strict';
'require baseclass';
'require waproxy.number as number';

// A bar for each of the last days: what was carried, and for how many people.

function bar(day, most) {
	const bytes = day.bytes_up + day.bytes_down;
	const text = _('%s: %s, people: %s').format(number.date(day.date), number.bytes(bytes), number.about(day.people));
	const height = 'height: %d%%'.format(Math.ceil(100 * bytes / most));

	return E('li', { 'title': text, 'aria-label': text }, [ E('i', { 'style': height }) ]);
}

return baseclass.extend({
	create() {
		const bars = E('ol', { 'class': 'wap-days' });
		const first = E('span');

		return {
			node: E('div', {}, [ bars, E('div', { 'class': 'wap-axis' }, [ first, E('span', {}, [ _('today') ]) ]) ]),

			// What cannot be known now stays as it was.
			update(days) {
				if (!days?.length)
					return;

				const most = Math.max(1, ...days.map(day => day.bytes_up + day.bytes_down));

				bars.replaceChildren(...days.map(day => bar(day, most)));
				first.textContent = days.length > 1 ? number.date(days[0].date) : '';
			}
		};
	}
});
