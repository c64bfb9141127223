'use strict';
'require baseclass';

// Numbers and times, as people of the page's language write them. Browsers know every language's
// units, so nothing here is translated.

const BYTES = [ 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte' ];
const BITS = [ 'kilobit', 'megabit', 'gigabit' ];
const SPANS = [ [ 'day', 86400 ], [ 'hour', 3600 ], [ 'minute', 60 ], [ 'second', 1 ] ];

// The language of the page; LuCI writes some with an underscore.
function locale() {
	try {
		return Intl.getCanonicalLocales(document.documentElement.lang.split('_').join('-'))[0] || 'en';
	}
	catch (e) {
		return 'en';
	}
}

// In the largest unit that leaves a whole number, but thousands at least; rounded so that no more
// than what fits is shown.
function scaled(value, units, suffix) {
	let rest = Math.max(0, +value || 0) / 1000, i = 0;

	while (rest >= 999.5 && i < units.length - 1) {
		rest /= 1000;
		i++;
	}

	return new Intl.NumberFormat(locale(), {
		style: 'unit',
		unit: units[i] + suffix,
		maximumFractionDigits: rest < 99.95 ? 1 : 0
	}).format(rest);
}

function span(value, unit, style) {
	return new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: style }).format(value);
}

return baseclass.extend({
	locale,

	bytes(value) {
		return scaled(value, BYTES, '');
	},

	// Bits a second.
	rate(value) {
		return scaled(value, BITS, '-per-second');
	},

	count(value) {
		return new Intl.NumberFormat(locale()).format(+value || 0);
	},

	// A number that is an estimate.
	about(value) {
		return '≈ %s'.format(this.count(value));
	},

	// A day like 2026-11-25, whatever the time zone of the page is.
	date(text) {
		return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(text));
	},

	milliseconds(value) {
		return span(value, 'millisecond', 'short');
	},

	// Seconds in their two largest units: 3 days, 4 hours.
	duration(seconds) {
		let rest = Math.max(0, Math.floor(+seconds || 0));
		const first = Math.max(0, SPANS.findIndex(([ , length ]) => rest >= length));
		const parts = [];

		for (const [ unit, length ] of SPANS.slice(rest ? first : -1).slice(0, 2)) {
			const value = Math.floor(rest / length);

			rest -= value * length;

			if (value || !parts.length)
				parts.push(span(value, unit, 'long'));
		}

		return new Intl.ListFormat(locale(), { type: 'unit', style: 'short' }).format(parts);
	},

	// How long ago, in the largest unit: 3 minutes ago.
	ago(seconds) {
		const whole = Math.max(0, Math.floor(+seconds || 0));
		const [ unit, length ] = SPANS.find(([ , length ]) => whole >= length) || SPANS[3];

		return new Intl.RelativeTimeFormat(locale()).format(-Math.floor(whole / length), unit);
	},

	// A day, from seconds since 1970.
	day(unix) {
		return new Intl.DateTimeFormat(locale(), { dateStyle: 'long' }).format(new Date(unix * 1000));
	},

	// A moment of today or nearly so, from a Date.
	time(date) {
		return new Intl.DateTimeFormat(locale(), { timeStyle: 'medium' }).format(date);
	},

	// A moment of any day, from a Date.
	moment(date) {
		return new Intl.DateTimeFormat(locale(), { dateStyle: 'short', timeStyle: 'medium' }).format(date);
	},

	// A day of the week, from 0, Monday.
	weekday(day) {
		// The fifth of January 1970 was one.
		return new Intl.DateTimeFormat(locale(), { weekday: 'long', timeZone: 'UTC' }).format(new Date((4 + day) * 86400000));
	},

	// A moment to come, from seconds since 1970.
	until(unix) {
		return new Intl.DateTimeFormat(locale(), { dateStyle: 'long', timeStyle: 'short' }).format(new Date(unix * 1000));
	},

	list(words) {
		return new Intl.ListFormat(locale(), { type: 'conjunction', style: 'long' }).format(words);
	}
});
