'use strict';
'require baseclass';
'require waproxy.backend as backend';
'require waproxy.number as number';
'require waproxy.page as page';
'require waproxy.words as words';

// The proxy on LuCI's front page. Shows nothing where there is no answer: the app's own pages say why.

function rows(status, wan) {
	const { daemon } = status;
	const state = words.state(status, wan, null, Date.now() / 1000);
	const list = [ [ _('State'), E('a', { 'href': L.url('admin/services/waproxy/overview') }, [ state.title ]) ] ];

	if (daemon)
		list.push([ _('Connections now'), number.count(daemon.connections.now) ]);

	if (daemon?.today)
		list.push([ _('Today'), number.bytes(daemon.today.bytes_up + daemon.today.bytes_down) ]);

	return list;
}

return baseclass.extend({
	title: _('WhatsApp Proxy'),

	load() {
		return Promise.all([ L.resolveDefault(backend.status()), L.resolveDefault(backend.wan()) ]);
	},

	render([ status, wan ]) {
		if (!status?.service)
			return null;

		return E('table', { 'class': 'table', 'dir': page.direction() }, rows(status, wan).map(([ name, value ]) =>
			E('tr', { 'class': 'tr' }, [
				E('td', { 'class': 'td left', 'width': '33%' }, [ name ]),
				E('td', { 'class': 'td left' }, [ value ])
			])));
	}
});
