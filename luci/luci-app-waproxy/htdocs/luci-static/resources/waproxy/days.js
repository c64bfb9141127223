'use strict';
'require baseclass';
'require waproxy.number as number';

// A bar for each of the last thirty days: what was carried, and for how many people.

const DAYS = 30;
const DAY_MS = 86400000;

const total = day => day.bytes_up + day.bytes_down;

// A place for each day up to the newest, null where nothing is known of it.
function places(days) {
	const newest = Date.parse(days[days.length - 1].date);
	const known = new Map(days.map(day => [ Date.parse(day.date), day ]));

	return Array.from({ length: DAYS }, (_, i) => known.get(newest - (DAYS - 1 - i) * DAY_MS) ?? null);
}

function bar(day, most) {
	if (!day)
		return E('li');

	const text = _('%s: %s, people: %s').format(number.date(day.date), number.bytes(total(day)), number.about(day.people));
	const height = 'height: %d%%'.format(Math.ceil(100 * total(day) / most));

	return E('li', { 'title': text, 'aria-label': text }, [ E('i', { 'style': height }) ]);
}

return baseclass.extend({
	places,

	create() {
		const bars = E('ol', { 'class': 'wap-days' });
		const top = E('span', { 'class': 'wap-scale' });
		const first = E('span');

		return {
			node: E('div', {}, [
				E('div', { 'class': 'wap-chart' }, [ bars, top ]),
				E('div', { 'class': 'wap-axis' }, [ first, E('span', {}, [ _('today') ]) ])
			]),

			// What cannot be known now stays as it was.
			update(days) {
				if (!days?.length)
					return;

				const shown = places(days);
				const most = Math.max(1, ...shown.filter(day => day).map(total));

				bars.replaceChildren(...shown.map(day => bar(day, most)));
				top.textContent = number.bytes(most);
				first.textContent = number.ago((DAYS - 1) * DAY_MS / 1000);
			}
		};
	}
});
