// Lints what runs in LuCI's pages. `eslint` comes with tests/luci: see tests/luci/run.

// What LuCI gives every page, and what our files bring in with 'require'.
const LUCI = [ '_', 'N_', 'L', 'E' ];
const MODULES = [
	'backend', 'baseclass', 'days', 'doctor', 'dom', 'field', 'form', 'graph', 'number', 'page', 'poll', 'rpc', 'rules', 'share', 'style', 'table', 'uci',
	'ui', 'uqr', 'view', 'words'
];
const BROWSER = [ 'Blob', 'CustomEvent', 'DOMParser', 'URL', 'XMLSerializer', 'document', 'navigator', 'window' ];

const readonly = names => Object.fromEntries(names.map(name => [ name, 'readonly' ]));

export default [ {
	files: [ '**/*.js' ],
	languageOptions: {
		ecmaVersion: 2022,
		sourceType: 'script',
		globals: readonly([ ...LUCI, ...MODULES, ...BROWSER ]),
		parserOptions: { ecmaFeatures: { globalReturn: true } }
	},
	linterOptions: { reportUnusedDisableDirectives: 'error' },
	rules: {
		'array-bracket-spacing': [ 'error', 'always' ],
		'no-const-assign': 'error',
		'no-dupe-args': 'error',
		'no-dupe-keys': 'error',
		'no-fallthrough': 'error',
		'no-redeclare': [ 'error', { builtinGlobals: false } ],
		'no-undef': 'error',
		'no-unreachable': 'error',
		'no-unsafe-finally': 'error',
		'no-unused-vars': [ 'error', { args: 'after-used', argsIgnorePattern: '^(ev|section_id|mode)$', caughtErrors: 'none' } ],
		'no-useless-escape': 'error',
		'no-var': 'error',
		'prefer-const': 'error',
		'quotes': [ 'error', 'single', { avoidEscape: false, allowTemplateLiterals: true } ],
		'semi': [ 'error', 'always' ],
		'no-restricted-properties': [ 'error',
			{ property: 'innerHTML', message: 'What the router says must stay text.' },
			{ property: 'outerHTML', message: 'What the router says must stay text.' } ],
		'valid-typeof': 'error'
	}
} ];
