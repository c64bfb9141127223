'use strict';

const assert = require('node:assert');
const { test, afterEach } = require('node:test');
const { load, page, plain } = require('../module.js');

const number = load('waproxy.number');

afterEach(() => page.documentElement.lang = 'en');

test('bytes are in the largest unit that leaves a whole number, but no smaller one than thousands', () => {
	for (const [ bytes, text ] of [
		[ 0, '0 kB' ], [ 40, '0 kB' ], [ 60, '0.1 kB' ], [ 999, '1 kB' ], [ 1000, '1 kB' ], [ 1499, '1.5 kB' ], [ 99940, '99.9 kB' ], [ 99960, '100 kB' ],
		[ 999600, '1 MB' ], [ 1503238553, '1.5 GB' ], [ 2 ** 64, '18,447 PB' ], [ undefined, '0 kB' ], [ -1, '0 kB' ]
	])
		assert.equal(plain(number.bytes(bytes)), text);
});

test('rates are in bits a second', () => {
	assert.equal(plain(number.rate(0)), '0 kb/s');
	assert.equal(plain(number.rate(1400000)), '1.4 Mb/s');
});

test('durations have their two largest units', () => {
	for (const [ seconds, text ] of [
		[ 0, '0 seconds' ], [ 1, '1 second' ], [ 59, '59 seconds' ], [ 60, '1 minute' ], [ 61, '1 minute, 1 second' ],
		[ 7260, '2 hours, 1 minute' ], [ 86400, '1 day' ], [ 90061, '1 day, 1 hour' ], [ 273600, '3 days, 4 hours' ]
	])
		assert.equal(plain(number.duration(seconds)), text);
});

test('what is past has one unit', () => {
	for (const [ seconds, text ] of [
		[ 0, '0 seconds ago' ], [ 59, '59 seconds ago' ], [ 180, '3 minutes ago' ], [ 7199, '1 hour ago' ], [ 200000, '2 days ago' ]
	])
		assert.equal(plain(number.ago(seconds)), text);
});

test('numbers are in the language of the page', () => {
	page.documentElement.lang = 'fa';
	assert.match(number.bytes(1400000000), /^۱٫۴/);
	assert.equal(number.count(12), '۱۲');
	page.documentElement.lang = 'zh_Hans';
	assert.equal(number.locale(), 'zh-Hans');
	assert.equal(plain(number.ago(180)), '3分钟前');
});

test('a language that nobody knows is English', () => {
	page.documentElement.lang = 'no such language';
	assert.equal(number.locale(), 'en');
	page.documentElement.lang = '';
	assert.equal(number.count(1234), '1,234');
});
