// Reads the UCI file that the package ships, into what ubus gives of it. The real reader is the
// daemon's; this one knows no more than that file has.
'use strict';

const fs = require('node:fs');

exports.readUci = function(file) {
	const sections = {};
	let section = null;

	for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
		const [ , keyword, name, value ] = /^\s*(config|option|list) (\w+)(?: '(.*)')?$/.exec(line) || [];

		if (keyword == 'config')
			section = sections[value] = { '.anonymous': false, '.type': name, '.name': value, '.index': Object.keys(sections).length };
		else if (keyword == 'list')
			(section[name] = section[name] || []).push(value);
		else if (keyword)
			section[name] = value;
		else if (line.trim())
			throw new Error(`${file}: ${line}`);
	}

	return sections;
};
