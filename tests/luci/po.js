// Reads gettext's files of translations, as far as translations of the app need that.
'use strict';

function unquote(text) {
	return JSON.parse(text);
}

// { header, entries: [ { context, id, plural, strings, places } ] }
exports.read = function(text) {
	const entries = [];
	let entry = null, target = null;
	const add = value => {
		if (typeof target == 'number')
			entry.strings[target] += value;
		else
			entry[target] += value;
	};

	for (const line of text.split('\n')) {
		const [ , keyword, index, value ] = /^(msgctxt|msgid|msgid_plural|msgstr)(?:\[(\d)\])? (".*")$/.exec(line) || [];

		if (line == '') {
			entry = null;
		}
		else if (line.startsWith('"')) {
			add(unquote(line));
		}
		else {
			if (!entry)
				entries.push(entry = { context: null, id: '', plural: null, strings: [], places: [] });

			if (line.startsWith('#: '))
				entry.places.push(line.slice(3));
			else if (!line.startsWith('#')) {
				if (!keyword)
					throw new Error(`not understood: ${line}`);

				target = { msgctxt: 'context', msgid: 'id', msgid_plural: 'plural' }[keyword] || +(index || 0);

				if (typeof target == 'number')
					entry.strings[target] = '';
				else
					entry[target] = '';

				add(unquote(value));
			}
		}
	}

	const header = entries.find(one => one.id == '')?.strings[0] || '';

	return { header, entries: entries.filter(one => one.id != '') };
};

// The rule for plural forms, as LuCI's catalogs have it.
exports.plural = function(header) {
	return /Plural-Forms: (.*)/.exec(header)?.[1] || '';
};
