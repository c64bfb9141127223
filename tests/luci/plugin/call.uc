// ucode call.uc PLUGIN {METHOD ARGUMENTS}...: calls methods of the plugin as rpcd would, and prints for
// each the answer and how long rpcd would have waited.

'use strict';

import { dirname } from 'fs';

// rpcd waits for processes, so it is told of each that ends.
signal('SIGCHLD', () => null);

const plugin = loadfile(ARGV[0], {
	module_search_path: [ dirname(sourcepath()) + '/*.uc', ...REQUIRE_SEARCH_PATH ]
})();

for (let i = 1; i < length(ARGV); i += 2) {
	let answer = null;
	const request = { args: json(ARGV[i + 1]), reply: said => { answer = said; } };
	const start = clock(true);
	const result = plugin['luci.waproxy'][ARGV[i]].call(request);
	const end = clock(true);

	printf('%J\n', {
		answer: result == 'deferred' ? answer : result,
		ms: (end[0] - start[0]) * 1000 + (end[1] - start[1]) / 1000000
	});
}
