"""The gallery's own style sheet, added to the one of all pages."""

STYLE = """
main { max-width: 1440px; }
.controls { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: 0.7rem 2rem;
  margin: 1.2rem 0; box-shadow: 0 6px 18px -12px rgba(0, 0, 0, 0.45); }
.controls fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
.controls legend { color: var(--muted); font-size: 0.8rem; padding: 0; margin-bottom: 0.3rem; }
.choices { display: flex; flex-wrap: wrap; gap: 0.3rem; }
.choices input { position: absolute; opacity: 0; pointer-events: none; }
.choices label { padding: 0.25rem 0.7rem; border: 1px solid var(--line); border-radius: 999px;
  cursor: pointer; font-size: 0.88rem; line-height: 1.4; }
.choices label:hover { border-color: var(--accent); }
.choices input:checked + label { background: var(--accent-soft); border-color: var(--accent);
  color: var(--accent); font-weight: 600; }
.choices input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: 2px; }

.subjects { display: grid; gap: 0.9rem; }
.subject { display: grid; grid-template-columns: 12.5rem minmax(0, 1fr); gap: 1.2rem 1.5rem;
  align-items: start; }
.stack, .crop { background: var(--photo) center / 100% 100% no-repeat; border-radius: 10px;
  aspect-ratio: 1; }
.said h3 { font-size: 1.15rem; margin: 0; }
.said .name { font-size: 0.82rem; margin: 0.1rem 0 0.6rem; }
.said small { display: block; }
.chip { font-size: 0.78rem; font-weight: 600; border-radius: 999px; padding: 0.1rem 0.55rem;
  margin-left: 0.25rem;
  vertical-align: 0.12em; white-space: nowrap; }
.chip.good { color: var(--series-3); border: 1px solid currentColor; }
.chip.bad { color: var(--best); background: var(--warn-soft); border: 1px solid currentColor; }
.bars { list-style: none; margin: 0; padding: 0; font-size: 0.85rem; }
.bars li { display: grid; grid-template-columns: 4.2rem 1fr 3.1rem; gap: 0.6rem; align-items: center;
  line-height: 1.6; }
.bars li span:last-child { text-align: right; color: var(--muted); }
.bars .track, .regions .track { margin: 0; }

.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.8rem, 1fr)); gap: 0.9rem 0.7rem; }
.tile { margin: 0; min-width: 0; }
.stack { position: relative; overflow: hidden; }
.stack img, .stack svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.tile figcaption { font-size: 0.8rem; color: var(--muted); margin-top: 0.35rem; line-height: 1.3;
  overflow-wrap: anywhere; }
.strip { display: block; width: 100%; height: 0.5rem; margin-top: 0.3rem; border-radius: 3px;
  border: 1px solid var(--line); }
.framed svg { overflow: hidden; }
.framed polygon { fill: none; stroke-width: 0.05; stroke-linejoin: round; stroke: #ff9d2e; }
.framed polygon.frame-1 { stroke: #3aa0ff; stroke-dasharray: 0.12 0.07; }
.plain .stack { box-sizing: border-box; border: 3px solid #ff9d2e; }
.plain.frame-1 .stack { border: 3px dashed #3aa0ff; }
main:has(#view-heat:checked) .tile:not(.picture, .framed) .stack { background-image: none;
  background-color: var(--page); }
main:has(#view-face:checked) .stack img { visibility: hidden; }
main:has(#view-face:checked) .plain .stack img { visibility: visible; }

.regions { list-style: none; margin: 0; padding: 0; grid-column: 1 / -1; display: grid; gap: 0.7rem;
  grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr)); font-size: 0.8rem; }
.regions .crop { margin-bottom: 0.3rem; }
.regions span { display: block; color: var(--muted); }

.weights { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.8rem;
  margin: 0 0 1.1rem; }
.weights:last-child { margin-bottom: 0; }
.weights ul { list-style: none; margin: 0; padding: 0; font-size: 0.82rem; text-align: right; }
.weights li { line-height: 1.5rem; height: 1.5rem; font-size: 0.82rem; }
.weights figure { margin: 0; }
.weights img { display: block; width: 100%; border-radius: 6px; border: 1px solid var(--line);
  image-rendering: pixelated; }
.weights figcaption { font-size: 0.8rem; color: var(--muted); margin-top: 0.25rem; }
.weights figcaption b { color: var(--ink); }

.ramp { display: flex; align-items: center; gap: 0.5rem; font-size: 0.85rem; color: var(--muted);
  margin-bottom: 1rem; }
.ramp i { height: 0.9rem; width: min(9rem, 22vw); border: 1px solid var(--line); }
.ramp i:nth-of-type(1) { border-right: 0; border-radius: 6px 0 0 6px; margin-right: -0.5rem; }
.ramp i:nth-of-type(2) { border-left: 0; border-radius: 0 6px 6px 0; }
.ramp i:only-of-type { border: 1px solid var(--line); border-radius: 6px; margin-right: 0; }
.none { display: none; }
.notice ul { margin: 0.5rem 0 0; padding-left: 1.1rem; font-size: 0.9rem; overflow-wrap: anywhere; }
.notice li span { color: var(--muted); }
@media (max-width: 760px) {
  .controls { position: static; }
  .subject { grid-template-columns: minmax(0, 1fr); }
  .maps { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); }
}
"""
