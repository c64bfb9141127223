'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { load } = require('../module.js');

const graph = load('waproxy.graph');

test('the scale ends at 1, 2, 3 or 5 with zeros', () => {
	for (const [ value, limit ] of [
		[ 0, 1 ], [ 1, 1 ], [ 1.1, 2 ], [ 2.1, 3 ], [ 3.1, 5 ], [ 5.5, 10 ], [ 10, 10 ], [ 11, 20 ], [ 499, 500 ], [ 501, 1000 ], [ 7.5e8, 1e9 ], [ -1, 1 ]
	])
		assert.equal(graph.ceiling(value), limit, `of ${value}`);
});

test('the newest sample is at the right edge, whatever there is of older ones', () => {
	assert.deepEqual(graph.points([ 0, 10 ], 10), [ [ 595, 120 ], [ 600, 0 ] ]);
	assert.deepEqual(graph.points([], 10), []);
	assert.deepEqual(graph.points(new Array(120).fill(5), 10)[0], [ 0, 60 ]);
	assert.equal(graph.points(new Array(500).fill(5), 10).length, 120);
});

test('what is above the scale is not above the chart', () => {
	assert.deepEqual(graph.points([ 99 ], 10), [ [ 600, 0 ] ]);
});

test('the ground reaches down at both ends', () => {
	assert.equal(graph.area([ [ 595, 20 ], [ 600, 0 ] ]), '595,120 595,20 600,0 600,120');
	assert.equal(graph.area([]), '');
});

test('bytes of an interval become bits a second', () => {
	const { up, down, connections, seconds } = graph.series({
		interval_seconds: 5, bytes_up: [ 5, 10 ], bytes_down: [ 100, 0 ], connections: [ 1, 2 ]
	});

	assert.deepEqual({ up, down, connections, seconds }, { up: [ 8, 16 ], down: [ 160, 0 ], connections: [ 1, 2 ], seconds: 600 });
});

test('of rows of different lengths the newest samples are drawn', () => {
	const { up, connections } = graph.series({ interval_seconds: 1, bytes_up: [ 1, 2, 3 ], bytes_down: [ 1, 2 ], connections: [ 7, 8, 9 ] });

	assert.deepEqual([ up, connections ], [ [ 16, 24 ], [ 8, 9 ] ]);
});

test('without a history there is an empty graph', () => {
	for (const history of [ null, undefined, {}, { interval_seconds: 5 }, { interval_seconds: 0, bytes_up: [], bytes_down: [], connections: [] } ])
		assert.deepEqual(graph.series(history), { up: [], down: [], connections: [], seconds: 0 });
});
