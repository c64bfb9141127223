'use strict';
'require baseclass';

// A table that is written anew without being built anew: rows are known by a key, and only what
// has changed is touched, so that nothing flickers and no selection is lost.

function write(cell, value) {
	const { text, hint, level } = (typeof(value) == 'object' && value) ? value : { text: value };
	const wanted = (text == null || text === '') ? '–' : String(text);

	const [ main, print ] = cell.firstChild.children;

	if (main.textContent !== wanted)
		main.textContent = wanted;

	if (print.textContent !== (hint || ''))
		print.textContent = hint || '';

	main.className = level ? 'wap-text-' + level : '';
}

return baseclass.extend({
	// `columns`: [ { title, ltr } ]; `none`: what is said of an empty table.
	create(columns, none) {
		const rows = new Map();
		const body = E('tbody');
		const empty = E('tr', { 'class': 'tr placeholder' }, [
			E('td', { 'class': 'td', 'colspan': columns.length }, [ none ])
		]);
		const head = E('tr', { 'class': 'tr table-titles' },
			columns.map(column => E('th', { 'class': 'th', 'scope': 'col' }, [ column.title ])));

		function add() {
			const cells = columns.map(column => E('td', {
				'class': 'td', 'data-title': column.title
			}, [ E('div', { 'dir': column.ltr ? 'ltr' : null }, [ E('span'), E('small') ]) ]));

			return { node: E('tr', { 'class': 'tr' }, cells), cells };
		}

		return {
			node: E('div', { 'class': 'wap-scroll' }, [
				E('table', { 'class': 'table wap-table' }, [ E('thead', {}, [ head ]), body ])
			]),

			// `wanted`: [ { key, cells } ], in the order in which they are shown.
			update(wanted) {
				const keys = wanted.map(row => row.key);

				for (const [ key, row ] of rows)
					if (!keys.includes(key)) {
						row.node.remove();
						rows.delete(key);
					}

				wanted.forEach(({ key, cells }, i) => {
					if (!rows.has(key))
						rows.set(key, add());

					const row = rows.get(key);

					cells.forEach((value, j) => write(row.cells[j], value));

					if (body.children[i] !== row.node)
						body.insertBefore(row.node, body.children[i] || null);
				});

				if (wanted.length)
					empty.remove();
				else
					body.appendChild(empty);
			}
		};
	}
});
