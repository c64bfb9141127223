'use strict';
'require baseclass';
'require form';
'require uci';
'require waproxy.page as page';
'require waproxy.rules as rules';

// Fields of the settings: LuCI's, with a rule of ours, a label for everybody, and the daemon's view
// of what is absent.

// LuCI leaves some controls without a label that a screen reader would find, as in grids.
function labelled(option) {
	const render = option.renderWidget;

	option.renderWidget = async function(section_id) {
		const node = await render.apply(this, arguments);
		const label = [ 'main', 'budget' ].includes(section_id) ? this.title : '%s: %s'.format(section_id, this.title);

		node.querySelectorAll('input, select, textarea').forEach(control => control.setAttribute('aria-label', label));

		return node;
	};

	return option;
}

// A text field with a rule, unless it gets one later. What is left empty is as shipped.
function text(section, name, title, description, rule, placeholder) {
	const option = labelled(section.option(form.Value, name, title, description));

	if (rule)
		option.validate = (section_id, value) => rule(value);

	option.placeholder = placeholder;

	return option;
}

// A box to tick, for which whatever the daemon takes for yes is yes; `absent` is what no value means.
function flag(section, name, absent, title, description) {
	const option = labelled(section.option(form.Flag, name, title, description));

	option.default = absent;
	// Written even where it is the default: its absence reads differently to different eyes.
	option.rmempty = false;
	option.load = section_id => {
		const value = uci.get('waproxy', section_id, name);

		return value == null ? absent : rules.isOn(value) ? '1' : '0';
	};

	return option;
}

// What a grid of sections needs beside its options. No two sections of the file can have the same
// name, whatever their types, and `auto` is taken.
function furnish(section) {
	const add = section.handleAdd;
	const render = section.renderSectionAdd;
	const open = section.renderMoreOptionsModal;

	// After it has saved, a dialog draws the page's form anew from the file, so what is typed there
	// is saved along. A notice on the page would be hidden behind the dialog.
	section.addModalOptions = ({ map }) => {
		const save = map.save;
		const alert = E('div', { 'role': 'alert' });

		map.save = (done, silent) => save.call(map, () => section.map.parse().catch(error => {
			map.root.prepend(alert);
			page.content(alert, page.reasons([ { level: 'bad', text: _('Nothing more was saved: %s').format(error.message) } ]));
			throw error;
		}), silent);
	};

	// The dialog is outside of the page's own part, and would be written from left to right.
	section.renderMoreOptionsModal = async function() {
		await open.apply(this, arguments);

		const dialog = document.querySelector('#modal_overlay .modal');

		dialog?.classList.add('wap');
		dialog?.setAttribute('dir', page.direction());
	};

	section.renderSectionAdd = function() {
		const node = render.apply(this, arguments);
		const field = node.querySelector('input');

		field?.setAttribute('aria-label', _('Name of the new section'));
		field?.setAttribute('placeholder', _('Name'));

		return node;
	};

	section.handleAdd = function(ev, name) {
		if (name == 'auto' || uci.get('waproxy', name) != null) {
			page.notify(_('The name %s is taken.').format(name), 'warning');
			return;
		}

		return add.apply(this, arguments);
	};
}

return baseclass.extend({ labelled, text, flag, furnish });
