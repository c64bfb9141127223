'use strict';
'require baseclass';
'require waproxy.number as number';

// A graph of the last minutes: what the daemon's history says, drawn as SVG. Time runs from left to
// right in every language, and the newest sample is at the right edge.

const SVG = 'http://www.w3.org/2000/svg';
const SAMPLES = 120;
const WIDTH = 600;
const HEIGHT = 120;

// The next of 1, 2, 3, 5, 10, 20, 30… that is not below the value, so that the scale seldom changes.
function ceiling(value) {
	let step = 1;

	while (step * 10 < value)
		step *= 10;

	return [ 1, 2, 3, 5, 10 ].map(factor => factor * step).find(limit => limit >= value) || 1;
}

// The points of a line through the newest samples.
function points(values, top) {
	const newest = values.slice(-SAMPLES);
	const start = SAMPLES - newest.length;

	return newest.map((value, i) => [
		Math.round((start + i) * WIDTH / (SAMPLES - 1) * 10) / 10,
		Math.round((HEIGHT - Math.min(value, top) / top * HEIGHT) * 10) / 10
	]);
}

function path(line) {
	return line.map(point => point.join(',')).join(' ');
}

// The same line with the ground below it.
function area(line) {
	if (!line.length)
		return '';

	return path([ [ line[0][0], HEIGHT ], ...line, [ line[line.length - 1][0], HEIGHT ] ]);
}

// The samples of a history that can be drawn: of three equally long rows, in bits a second.
function series(history) {
	const interval = +history?.interval_seconds || 0;
	const rows = [ history?.bytes_up, history?.bytes_down, history?.connections ];

	if (!interval || !rows.every(Array.isArray))
		return { up: [], down: [], connections: [], seconds: 0 };

	const length = Math.min(SAMPLES, ...rows.map(row => row.length));
	const [ up, down, connections ] = rows.map(row => length ? row.slice(-length) : []);
	const rate = bytes => bytes * 8 / interval;

	return { up: up.map(rate), down: down.map(rate), connections, seconds: SAMPLES * interval };
}

function svg(name, attributes, children) {
	const node = document.createElementNS(SVG, name);

	Object.keys(attributes).forEach(key => node.setAttribute(key, attributes[key]));
	(children || []).forEach(child => node.appendChild(child));

	return node;
}

// One chart with its own scale, which ends at `least` or above.
function chart(kinds, least) {
	const ground = svg('polygon', { 'class': 'wap-area wap-' + kinds[0] });
	const lines = kinds.map(kind => svg('polyline', { 'class': 'wap-line wap-' + kind }));
	const grid = [ 0.25, 0.5, 0.75 ].map(part => svg('line', {
		'class': 'wap-grid', x1: 0, x2: WIDTH, y1: part * HEIGHT, y2: part * HEIGHT
	}));
	const top = E('span', { 'class': 'wap-scale' });
	const frame = svg('svg', {
		viewBox: '0 0 %d %d'.format(WIDTH, HEIGHT), preserveAspectRatio: 'none', role: 'img'
	}, [ ground, ...grid, ...lines ]);

	return {
		node: E('div', { 'class': 'wap-chart' }, [ frame, top ]),

		update(rows, format, label) {
			const limit = ceiling(Math.max(least, ...rows.flat()));

			rows.forEach((row, i) => lines[i].setAttribute('points', path(points(row, limit))));
			ground.setAttribute('points', area(points(rows[0], limit)));
			top.textContent = format(limit);
			frame.setAttribute('aria-label', label);
		}
	};
}

function legend(kind, text) {
	const value = E('strong');

	return {
		node: E('span', { 'class': 'wap-legend' }, [ E('i', { 'class': 'wap-key wap-' + kind }), text, ' ', value ]),
		value
	};
}

const last = row => row.length ? row[row.length - 1] : 0;

return baseclass.extend({
	ceiling,
	points,
	area,
	series,

	create() {
		const traffic = chart([ 'down', 'up' ], 10000);
		const people = chart([ 'people' ], 5);
		const down = legend('down', _('To people'));
		const up = legend('up', _('To WhatsApp'));
		const open = legend('people', _('Open connections'));
		const since = E('span');
		const axis = () => E('div', { 'class': 'wap-axis' }, [ since.cloneNode(), E('span', {}, _('now')) ]);
		const axes = [ axis(), axis() ];

		return {
			node: E('div', { 'class': 'wap-graph' }, [
				E('div', {}, [ E('p', {}, [ down.node, up.node ]), traffic.node, axes[0] ]),
				E('div', {}, [ E('p', {}, [ open.node ]), people.node, axes[1] ])
			]),

			update(history) {
				const rows = series(history);
				const speeds = [ rows.down, rows.up ].map(row => number.rate(last(row)));
				const connections = number.count(last(rows.connections));

				[ down.value.textContent, up.value.textContent ] = speeds;
				open.value.textContent = connections;
				axes.forEach(node => node.firstChild.textContent = rows.seconds ? number.ago(rows.seconds) : '');
				traffic.update([ rows.down, rows.up ], number.rate,
					_('Speed now: %s to people, %s to WhatsApp').format(...speeds));
				people.update([ rows.connections ], number.count,
					_('Connections open now: %s').format(connections));
			}
		};
	}
});
