'use strict';
'require baseclass';

// How the app's own parts look. Colours are the theme's where it has them, so that dark themes stay
// dark; what is at the start of a line is so in languages from right to left too.

return baseclass.extend({
	css: `
.wap {
	--wap-good: var(--success-color-high, var(--success-color, var(--green-color-high, #2e9e4f)));
	--wap-warn: var(--warn-color-high, var(--warning-color, var(--yellow-color-high, #c98a00)));
	--wap-bad: var(--error-color-high, var(--danger-color, var(--red-color-high, #cc2222)));
	--wap-main: var(--primary-color-high, var(--dark-blue-color, #1976d2));
	--wap-edge: rgba(128, 128, 128, .35);
	--wap-ground: rgba(128, 128, 128, .08);
	text-align: start;
}
.wap p { margin: .25em 0; text-align: start; }
.wap h3 { margin-top: 1.2em; text-align: start; }
.wap-state {
	display: flex; flex-wrap: wrap; align-items: center; gap: .75em 1.5em; margin: 1em 0; padding: 1em;
	border: 1px solid var(--wap-edge); border-inline-start: .5em solid var(--wap-edge);
	border-radius: 6px; background: var(--wap-ground);
}
.wap-state.wap-good, .wap-reason.wap-good { border-inline-start-color: var(--wap-good); }
.wap-state.wap-wait, .wap-reason.wap-wait { border-inline-start-color: var(--wap-main); }
.wap-state.wap-warn, .wap-reason.wap-warn { border-inline-start-color: var(--wap-warn); }
.wap-state.wap-bad, .wap-reason.wap-bad { border-inline-start-color: var(--wap-bad); }
.wap-words { flex: 1 1 18em; min-width: 0; }
.wap-words h3 { display: flex; align-items: center; gap: .5em; margin: 0; padding: 0; border: 0; font-size: 1.5em; line-height: 1.3; }
.wap-mark {
	flex: none; display: inline-flex; align-items: center; justify-content: center; width: 1.4em; height: 1.4em;
	border-radius: 50%; color: #fff; background: #767676; font-weight: bold; font-size: .8em;
}
.wap-good .wap-mark { background: #1b7f3b; }
.wap-wait .wap-mark { background: #1564c0; }
.wap-warn .wap-mark { background: #8a5a00; }
.wap-bad .wap-mark { background: #c02020; }
.wap-reason { margin: .5em 0; padding: .25em .75em; border-inline-start: 4px solid var(--wap-edge); text-align: start; }
.wap-lines { width: fit-content; margin: .25em 0; padding: 0; color: inherit; list-style: none; text-align: left; }
.wap-lines li { margin: 0; font-family: monospace; font-size: .9em; overflow-wrap: anywhere; list-style: none; }
.wap-switch { flex: none; display: flex; align-items: center; gap: .75em; font-size: 1.15em; cursor: pointer; }
.wap .wap-switch input[type=checkbox] {
	appearance: none; -webkit-appearance: none; flex: none; position: relative; width: 60px; height: 34px; min-width: 60px; margin: 0; padding: 0;
	border: 2px solid #767676; border-radius: 17px; background: #767676; cursor: pointer; transition: background .2s; top: 0; box-shadow: none;
}
.wap .wap-switch input[type=checkbox]::before { content: none; }
.wap .wap-switch input[type=checkbox]::after {
	content: ''; position: absolute; top: 2px; inset-inline-start: 2px; width: 26px; height: 26px; margin: 0; opacity: 1; transform: none;
	border: 0; border-radius: 50%; background: #fff; mask: none; -webkit-mask: none; clip-path: none; transition: inset-inline-start .2s;
}
.wap .wap-switch input[type=checkbox]:checked { border-color: #1b7f3b; background: #1b7f3b; }
.wap .wap-switch input[type=checkbox]:checked::after { inset-inline-start: 28px; }
.wap .wap-switch input[type=checkbox]:focus-visible { outline: 3px solid var(--wap-main); outline-offset: 2px; }
.wap .wap-switch input[type=checkbox]:disabled { opacity: .5; cursor: default; }
.wap-actions { display: flex; flex-wrap: wrap; gap: .5em; margin: .75em 0; }
.wap-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5em, 1fr)); gap: .75em; margin: 1em 0; }
.wap-tile { padding: .75em; border: 1px solid var(--wap-edge); border-radius: 6px; text-align: start; }
.wap-tile strong { display: block; font-size: 1.5em; line-height: 1.3; font-variant-numeric: tabular-nums; }
.wap-tile small { display: block; font-size: .9em; opacity: .85; }
.wap-graph { display: grid; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)); gap: 1em; margin: 1em 0; }
.wap-chart { position: relative; border: 1px solid var(--wap-edge); border-radius: 4px; overflow: hidden; }
.wap-chart svg { display: block; width: 100%; height: 130px; }
.wap-scale { position: absolute; top: 2px; left: 6px; font-size: .85em; opacity: .85; }
.wap-axis { display: flex; justify-content: space-between; font-size: .85em; opacity: .85; }
.wap[dir=rtl] .wap-axis { flex-direction: row-reverse; }
.wap-days { display: flex; gap: 2px; height: 90px; margin: 0; padding: 1.4em 0 0; direction: ltr; list-style: none; }
.wap .wap-days li { display: flex; flex: 1; align-items: flex-end; margin: 0; list-style: none; }
.wap-days i { width: 100%; min-height: 1px; background: var(--wap-main); opacity: .7; }
.wap-grid { stroke: var(--wap-edge); stroke-width: 1; vector-effect: non-scaling-stroke; }
.wap-line { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.wap-line.wap-down, .wap-line.wap-people { stroke: var(--wap-main); }
.wap-line.wap-up { stroke: var(--wap-good); stroke-dasharray: 4 3; }
.wap-area { fill: var(--wap-main); opacity: .18; }
.wap-legend { display: inline-flex; align-items: center; gap: .4em; margin-inline-end: 1.2em; }
.wap-key { width: 1.6em; height: 0; border-top: 3px solid var(--wap-main); }
.wap-key.wap-up { border-top: 3px dashed var(--wap-good); }
.wap-scroll { overflow-x: auto; }
.wap .wap-table { width: 100%; }
.wap .wap-table .th, .wap .wap-table .td { text-align: start; overflow-wrap: break-word; }
.wap .wap-table small { display: block; white-space: pre-line; opacity: .85; }
.wap-text-good { font-weight: bold; }
.wap-text-warn, .wap-text-bad { font-weight: bold; text-decoration: underline; text-decoration-thickness: 3px; text-underline-offset: 3px; }
.wap-text-good { text-decoration: underline; text-decoration-color: var(--wap-good); text-decoration-thickness: 3px; text-underline-offset: 3px; }
.wap-text-warn { text-decoration-color: var(--wap-warn); }
.wap-text-bad { text-decoration-color: var(--wap-bad); }
.wap-stale { opacity: .45; }
.wap-share { display: grid; grid-template-columns: minmax(12em, 18em) minmax(0, 1fr); gap: 1em 1.5em; align-items: start; }
.wap-share > div { min-width: 0; }
.wap-code { border-radius: 6px; overflow: hidden; background: #fff; }
.wap-code svg { display: block; width: 100%; height: auto; }
.wap .wap-link { display: block; width: 100%; max-width: none; box-sizing: border-box; font-family: monospace; text-align: left; }
.wap textarea.wap-link { height: auto; min-height: 16em; font-family: inherit; text-align: start; }
.wap .cbi-dynlist { direction: ltr; }
.wap[dir=rtl] .cbi-value-title { float: right; text-align: right; }
.wap[dir=rtl] .cbi-value-description { margin: .25em 1.5em 0 0; }
.wap[dir=rtl] .cbi-value-description::before { left: auto; right: -1.5em; }
.wap-values { display: grid; grid-template-columns: auto 1fr; gap: .35em 1em; margin: .5em 0; }
.wap-values dt { margin: 0; padding: 0; font-weight: normal; text-align: start; }
.wap-values dd { margin: 0; padding: 0; font-weight: bold; overflow-wrap: anywhere; user-select: all; text-align: start; }
.wap-log { margin: .75em 0; border: 1px solid var(--wap-edge); border-radius: 4px; }
.wap-log > div { display: flex; flex-wrap: wrap; gap: 0 1em; padding: .3em .6em; border-top: 1px solid var(--wap-edge); }
.wap-log > div:first-child { border-top: 0; }
.wap-log time { flex: none; opacity: .85; font-variant-numeric: tabular-nums; }
.wap-log code { flex: 1 1 20em; min-width: 0; padding: 0; border: 0; background: none; color: inherit; font-family: monospace; overflow-wrap: anywhere; white-space: pre-wrap; text-align: left; }
.wap-filter { display: flex; flex-wrap: wrap; align-items: center; gap: .5em; }
@media (max-width: 640px) {
	.wap-share { grid-template-columns: minmax(0, 1fr); }
	.wap-code { max-width: 18em; margin: 0 auto; }
	.wap .wap-table, .wap .wap-table tbody { display: block; }
	.wap .wap-table thead { display: none; }
	.wap .wap-table .tr { display: block; padding: .5em 0; border-bottom: 1px solid var(--wap-edge); }
	.wap .wap-table .td { display: flex; justify-content: space-between; gap: 1em; width: auto; padding: .15em .5em; border: 0; text-align: end; }
	.wap .wap-table .td::before { content: attr(data-title); position: static; display: block; flex: none; width: auto; overflow: visible; font-weight: normal; opacity: .85; text-align: start; }
	.wap .wap-table .td::after { content: none; }
	.wap .wap-table .td > div { min-width: 0; overflow-wrap: anywhere; }
	.wap .wap-table .td:first-child { font-weight: bold; }
	.wap .add-item { flex-basis: 100%; min-width: 0; }
	.wap .wap-table .placeholder .td::before { content: none; }
}`
});
