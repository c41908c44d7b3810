"""The page's style sheet: one column of cards and sections, light or dark, 400 to 1400 pixels wide."""

from ferjax.report.palette import DARK, LIGHT, css_variables

_RULES = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%; }
main { max-width: 1200px; margin: 0 auto; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 2.5rem); }
h1 { font-size: clamp(1.7rem, 4.5vw, 2.6rem); line-height: 1.15; letter-spacing: -0.02em;
  margin: 0.15rem 0 0.4rem; overflow-wrap: anywhere; text-wrap: balance; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; margin: 3rem 0 0.35rem; }
p { margin: 0 0 0.9rem; max-width: 70ch; overflow-wrap: anywhere; }
.muted { color: var(--muted); }
.eyebrow { color: var(--accent); font-size: 0.85rem; font-weight: 650; letter-spacing: 0.02em; margin: 0; }
.panel { background: var(--surface); border: 1px solid var(--line); border-radius: 14px;
  padding: 1.1rem 1.2rem; min-width: 0; }
.notice { background: var(--warn-soft); border-color: var(--best); margin-top: 1.5rem; }
.notice p { margin: 0.2rem 0 0; }

.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.9rem; margin: 1.8rem 0 0; }
.card dt { color: var(--muted); font-size: 0.85rem; }
.card dd { margin: 0; }
.card .value { font-size: 1.5rem; font-weight: 650; line-height: 1.3; letter-spacing: -0.015em;
  overflow-wrap: anywhere; }
.card .note { color: var(--muted); font-size: 0.83rem; line-height: 1.4; margin-top: 0.2rem;
  overflow-wrap: anywhere; }
.card.main { background: var(--accent-soft); border-color: var(--accent); }
.card.main .value { font-size: 2rem; color: var(--accent); line-height: 1.2; }

.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr));
  gap: 0.9rem; }
.split { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0.9rem;
  align-items: start; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit !important; }
.panel > p:last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; }
.matrix svg { min-width: 20rem; max-width: 46rem; margin: 0 auto; }

.wide { margin-top: 0.9rem; }
.wide svg { min-width: 30rem; max-width: 54rem; margin: 0 auto; }
.full svg { max-width: none; }

.grid svg { min-width: 30rem; max-width: 52rem; margin: 0 auto; }
.matrices { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 0.9rem; }
table.plain td { width: auto; white-space: nowrap; font-size: 0.92rem; }
table.plain th[scope="row"] { font-size: 0.92rem; }
details.wide > .panel, details.wide > .matrices, details.wide > p { margin-top: 0.9rem; }
table.shares th, table.shares td { padding: 0.25rem 0.3rem; font-size: 0.78rem; text-align: center; }

.filters { display: flex; flex-wrap: wrap; gap: 0.5rem 1.2rem; align-items: center; margin-top: 0.9rem;
  font-size: 0.92rem; }
.filters[hidden] { display: none; }
.filters input, .filters select { font: inherit; color: inherit; background: var(--surface);
  border: 1px solid var(--line); border-radius: 8px; padding: 0.25rem 0.5rem; accent-color: var(--accent); }
.filters output { color: var(--muted); }
.sortable th button { all: unset; cursor: pointer; color: inherit; }
.sortable th button:disabled { cursor: default; }
.sortable th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
.sortable th[aria-sort] button { color: var(--accent); font-weight: 650; }
.sortable th[aria-sort="ascending"] button::after { content: " ↑"; }
.sortable th[aria-sort="descending"] button::after { content: " ↓"; }

.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.9rem; }
.mistake { margin: 0; padding: 0.7rem; }
.mistake img { width: 100%; border-radius: 8px; display: block; margin-bottom: 0.5rem; }
.mistake figcaption { font-size: 0.88rem; line-height: 1.4; overflow-wrap: anywhere; }
.mistake b { color: var(--best); }
.mistake span, .mistake small { display: block; }
.mistake small { color: var(--muted); }

h3 { font-size: 1rem; margin: 0 0 0.5rem; }
.mistakes { list-style: none; margin: 0; padding: 0; }
.mistakes li { padding: 0.5rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.mistakes li:first-child { border-top: 0; }
.mistakes .note { display: block; color: var(--muted); font-size: 0.85rem; }

table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 0.55rem 0.6rem; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--muted); font-size: 0.85rem; font-weight: 500; }
th:first-child { text-align: left; padding-left: 0; max-width: 14rem; overflow-wrap: break-word; }
td:last-child, th:last-child { padding-right: 0; }
tbody th { font-weight: 600; }
td b { font-weight: 500; }
td { width: 19%; }
.track { display: block; height: 5px; margin-top: 0.3rem; border-radius: 3px; background: var(--line); }
.bar { display: block; height: 100%; border-radius: 3px; background: var(--accent); }
tr.total th, tr.total td { color: var(--muted); font-weight: 500; }
tr.total td b { color: var(--ink); font-weight: 650; }

.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1.2rem; margin: 0;
  font-size: 0.92rem; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
code, .tree { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 0.86rem; }
details { padding-left: 0.1rem; }
summary { cursor: pointer; padding: 0.2rem 0; font-weight: 600; font-family: inherit; }
summary::marker { color: var(--muted); }
.tree details { margin-left: 0.2rem; }
.tree .facts { border-left: 2px solid var(--line); margin: 0.1rem 0 0.4rem 0.25rem; padding-left: 1rem;
  font-size: inherit; }
.tree details details { margin-left: 1.1rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px; }
footer { margin-top: 3rem; color: var(--muted); font-size: 0.85rem; }

@media (max-width: 900px) {
  .cards { grid-template-columns: repeat(2, 1fr); }
  .split { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 560px) {
  .cards { gap: 0.6rem; }
  .panel { padding: 0.85rem 0.9rem; border-radius: 12px; }
  .panel.matrix { padding: 0.6rem; }
  .card .value { font-size: 1.2rem; }
  .card.main, .card:last-child { grid-column: 1 / -1; }
  .card.main .value { font-size: 2rem; }
  th, td { padding-left: 0.3rem; padding-right: 0.3rem; font-size: 0.88rem; }
  thead th { font-size: 0.72rem; }
}
@media print { .panel, .card { break-inside: avoid; } }
"""

STYLE = (
    f":root {{ color-scheme: light dark; {css_variables(LIGHT)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}\n{_RULES}"
)
