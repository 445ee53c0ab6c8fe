# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How the page of a plan looks: on a wide and on a narrow screen, light, dark and on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c2430; --quiet: #5c6675; --line: #d9dde3; --link: #1f5fa8;
  --good: #1d7a46; --good-back: #e3f4ea; --warn: #8a5a00; --warn-back: #fdf1d8; --bad: #b3261e; --bad-back: #fbe6e4;
  --own: #5b3fa8; --own-back: #ece7fa; --stream: #dfe5ee;
  --system: #8b94a3; --free: #e8ebf0;
  --postgres: #2f6db5; --pgbouncer: #6fa8dc; --redis: #c8443a; --rabbitmq: #e08a2b; --minio: #c25b95; --api: #2e8b57;
  --client: #86bd5a; --asynq_dashboard: #7a5fc0; --caddy: #1f9aa0; --backup: #98784f; --other: #6b7280; --over: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1a2029; --ink: #e6e9ee; --quiet: #9aa5b4; --line: #323b48; --link: #8ab8f0;
    --good: #7fd6a3; --good-back: #16362a; --warn: #f0c469; --warn-back: #3a2e12; --bad: #ff9d94; --bad-back: #451d1a;
    --own: #c3b1f5; --own-back: #2d2548; --stream: #2a3340;
    --system: #687386; --free: #262e3a;
    --postgres: #4d8bd6; --pgbouncer: #8fbfe8; --redis: #e0645a; --rabbitmq: #e89c48; --minio: #d67fb0; --api: #49a873;
    --client: #9ccf72; --asynq_dashboard: #9a83dc; --caddy: #3bb5bb; --backup: #b3946a; --other: #8b94a3;
    --over: #ff7d72;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.25; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
p { margin: .4rem 0 .8rem; }
a { color: var(--link); }
code { font: .875em/1.4 ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
section { margin-top: 2.5rem; }
ul, ol { margin: .25rem 0; padding-left: 1.2rem; }
figure { margin: .5rem 0 1.25rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet);
  font-size: .85rem; }
.kicker { margin: 0; color: var(--quiet); }
.quiet { color: var(--quiet); font-size: .875rem; }
.verdict { margin: .75rem 0 1rem; padding: .65rem .9rem; border-radius: .5rem; font-size: 1.05rem; }
.verdict.good { background: var(--good-back); } .verdict.warn { background: var(--warn-back); }
.verdict.bad { background: var(--bad-back); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; }
.facts dt { color: var(--quiet); font-size: .8rem; } .facts dd { margin: 0; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1.25rem 0 0; padding: .6rem 0; list-style: none;
  border: solid var(--line); border-width: 1px 0; }
.badge { display: inline-block; padding: .05rem .55rem; border-radius: 1rem; border: 1px solid; font-size: .8rem;
  font-weight: 600; white-space: nowrap; }
.badge.good { color: var(--good); background: var(--good-back); }
.badge.warn { color: var(--warn); background: var(--warn-back); }
.badge.bad { color: var(--bad); background: var(--bad-back); }
.badge.own { color: var(--own); background: var(--own-back); }
.card { padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.card.bad { border-left: 4px solid var(--bad); margin-bottom: .9rem; } .card h3 { margin: 0 0 .25rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
.big { margin: 0 0 .5rem; font-size: 2rem; font-weight: 700; line-height: 1.1; }
.big span { font-size: 1rem; font-weight: 400; }
.warnings { padding: 0; list-style: none; }
.warnings li { margin-bottom: .5rem; padding: .5rem .8rem; background: var(--warn-back);
  border-left: 4px solid var(--warn); border-radius: .25rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; list-style: none; font-size: .9rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px;
  vertical-align: -1px; background: var(--fill); }
.jump { display: flex; flex-wrap: wrap; gap: .25rem 1rem; }

table { width: 100%; border-collapse: collapse; font-size: .925rem; }
caption { padding: .25rem 0; text-align: left; color: var(--quiet); font-size: .875rem; }
th, td { padding: .45rem .75rem .45rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  font-weight: 400; }
thead th, thead .number { white-space: normal; }
thead th { color: var(--quiet); font-size: .8rem; vertical-align: bottom; }
tbody th { font-weight: 600; }
th.number, td.number { padding-right: 1.5rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bars td, .bars th { vertical-align: middle; padding-top: .2rem; padding-bottom: .2rem; white-space: nowrap; }
.bars td:nth-child(2) { width: 55%; line-height: 0; }
.tiers td:last-child { min-width: 15rem; }
.figures caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.figures { table-layout: fixed; overflow-wrap: anywhere; }
.figures th:first-child { width: 19%; } .figures th:nth-child(2) { width: 11%; }
.figures th:nth-child(3) { width: 42%; }
.figures td:nth-child(2) { white-space: normal; }
.figures td:nth-child(4) { font-size: .85rem; }
.deviations td:nth-child(2), .deviations td:nth-child(6) { overflow-wrap: anywhere; min-width: 9rem; }

svg { display: block; overflow: visible; } svg svg { overflow: hidden; }
svg rect { fill: var(--fill); stroke: var(--paper); stroke-width: 1; }
svg text { fill: var(--ink); font-size: 14px; }
svg .strong { font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round; }
.name text { font-size: 13px; }
.stream { fill: var(--stream); } .edge { stroke: var(--bad); stroke-width: 3; }
.faint { fill-opacity: .38; }
.c-system { --fill: var(--system); } .c-free { --fill: var(--free); } .c-over { --fill: var(--over); }
.c-other { --fill: var(--other); }
.c-postgres { --fill: var(--postgres); } .c-pgbouncer { --fill: var(--pgbouncer); } .c-redis { --fill: var(--redis); }
.c-rabbitmq { --fill: var(--rabbitmq); } .c-minio { --fill: var(--minio); } .c-api { --fill: var(--api); }
.c-client { --fill: var(--client); } .c-asynq_dashboard { --fill: var(--asynq_dashboard); }
.c-caddy { --fill: var(--caddy); }
.c-backup { --fill: var(--backup); }
.name text { fill: #ffffff; font-weight: 600; } .name .on-c-free { fill: var(--ink); }
.name .on-c-pgbouncer, .name .on-c-rabbitmq, .name .on-c-client { fill: #14202c; }

@media (max-width: 44rem) {
  body { padding: 1rem .9rem 2rem; }
  h1 { font-size: 1.6rem; }
  svg .wide { display: none; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, caption { display: block; }
  tr { padding: .55rem 0; border-bottom: 1px solid var(--line); }
  th, td { display: block; padding: .1rem 0; border: 0; }
  td:empty { display: none; }
  .number { text-align: left; }
  th.number, td.number { padding-right: 0; }
  td[data-title]::before { content: attr(data-title) ": "; color: var(--quiet); font-size: .85rem; }
  .tiers td:last-child { min-width: 0; }
  .bars td:nth-child(2), .figures th:first-child, .figures th:nth-child(2), .figures th:nth-child(3) { width: auto; }
  .bars td:nth-child(2)::before, .figures td::before { content: none; }
  .bars td.number { display: inline-block; margin-right: 1rem; }
}
@media print {
  :root {
    --paper: #fff; --card: #fff; --ink: #000; --quiet: #444; --line: #bbb; --link: #000; --stream: #e5e5e5;
    --free: #eee;
    --good: #1d7a46; --good-back: #fff; --warn: #8a5a00; --warn-back: #fff; --bad: #b3261e; --bad-back: #fff;
    --own-back: #fff;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  nav, .jump { display: none; }
  figure, .card, tr, .warnings li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
}
"""
