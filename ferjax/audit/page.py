"""Writes `audit.html`: the audit as one offline page, with the worst pairs as pictures."""

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ferjax.audit.checks import FAR, SMALLEST_SIDE, found_and_published, is_far
from ferjax.data.images import decode
from ferjax.data.records import Records
from ferjax.files import write_atomic
from ferjax.report.document import cards, document
from ferjax.report.wording import count_of, day, number, percent

# Pairs of a kind that are shown, and the longest side of a picture in pixels.
SHOWN = 12
LARGEST = 128

_STYLE = """<style>
.findings { list-style: none; margin: 0; padding: 0; }
.findings li { display: flex; gap: 0.9rem; align-items: baseline; padding: 0.6rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.findings li:first-child { border-top: 0; }
.mark { flex: 0 0 4.6rem; text-align: center; font-size: 0.8rem; font-weight: 650; border-radius: 6px;
  padding: 0.1rem 0; color: var(--muted); border: 1px solid var(--line); }
.mark.serious { color: var(--best); border-color: var(--best); background: var(--warn-soft); }
.counts td { width: auto; white-space: nowrap; }
.counts small { display: block; color: var(--muted); }
.counts small.far { color: var(--best); font-weight: 600; }
.pairs { display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr)); }
.pair { margin: 0; display: grid; grid-template-columns: 1fr 1fr; gap: 0.3rem 0.7rem; }
.pair img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; display: block;
  background: var(--page); }
.pair span { font-size: 0.85rem; line-height: 1.4; overflow-wrap: anywhere; }
.pair b { display: block; }
.pair small { display: block; color: var(--muted); }
.pair .differs b { color: var(--best); }
.pair figcaption { grid-column: 1 / -1; color: var(--muted); font-size: 0.83rem; }
</style>"""


def write_page(report: Mapping[str, Any], folder: Path, path: Path) -> None:
    """Writes the page.

    Args:
        report: see `ferjax.audit.run.audit`.
        folder: of the built set, for the pictures.
        path: of the page.
    """
    findings = report["findings"]
    serious = sum(finding["serious"] for finding in findings)
    total = sum(counts["total"] for counts in report["counts"].values())
    exact, near = report["exact"], report["near"]
    records = {split: Records(report["dataset"], folder, split) for split in report["counts"]}
    glance = cards(
        (
            "Serious findings",
            number(serious),
            "scores on this set are wrong with them" if serious else "none",
        ),
        ("Notes", number(len(findings) - serious), "worth knowing"),
        (
            "Images",
            number(total),
            ", ".join(f"{n['total']:,} {split}" for split, n in report["counts"].items()),
        ),
        ("Copied across splits", number(sum(exact["across"].values())), "images, pixel for pixel"),
    )
    body = f"""{_STYLE}
{glance}
<h2>What was found</h2>
<div class="panel">{_findings(findings)}</div>
<h2>Images of each class</h2>
<p class="muted">Below each number the published one, where it is known and another.</p>
<div class="panel scroll">{_counts(report)}</div>
{_pairs("The same pixels twice", exact, records)}
{_pairs("Look-alikes", near, records)}
<h2>How it was checked</h2>
{_method(report)}"""
    subtitle = f"Audited on {escape(day(report['date']))} by ferjax {escape(report['ferjax'])}"
    footer = (
        "Written by <code>ferjax audit</code>; <code>audit.json</code> beside this page holds the numbers."
    )
    page = document(report["dataset"], "ferjax audit", subtitle, body, footer)
    write_atomic(path, page.encode())


def _findings(findings: list[Mapping[str, Any]]) -> str:
    if not findings:
        return "<p>Nothing was found: no copies, no look-alikes, no bad images, no odd counts.</p>"
    rows = [
        f'<li><span class="mark{" serious" if finding["serious"] else ""}">'
        f"{'serious' if finding['serious'] else 'note'}</span><span>{escape(finding['text'])}</span></li>"
        for finding in findings
    ]
    return f'<ul class="findings">{"".join(rows)}</ul>'


def _counts(report: Mapping[str, Any]) -> str:
    splits = report["counts"]
    head = "".join(f'<th scope="col">{escape(split)}</th>' for split in splits)
    rows = []
    for name in (*report["label_names"], "total"):
        cells = []
        for counts in splits.values():
            found, known = found_and_published(counts, name)
            far = ' class="far"' if is_far(counts, name) else ""
            note = "" if known in (None, found) else f"<small{far}>published {known:,}</small>"
            cells.append(f"<td><b>{found:,}</b>{note}</td>")
        kind = ' class="total"' if name == "total" else ""
        rows.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<table class="counts"><thead><tr><th scope="col">class</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _pairs(title: str, kind: Mapping[str, Any], records: Mapping[str, Records]) -> str:
    shown = kind["worst"][:SHOWN]
    if not shown:
        return ""
    pairs = count_of(kind["pairs"], "pair")
    which = f"All {pairs}" if len(shown) == kind["pairs"] > 1 else f"The worst {len(shown)} of {pairs}"
    figures = "".join(_figure(pair, records) for pair in shown)
    return f"""<h2>{title}</h2>
<p class="muted">{which}. Pairs across splits come first, then those with two labels.</p>
<div class="pairs">{figures}</div>"""


def _figure(pair: Mapping[str, Any], records: Mapping[str, Records]) -> str:
    members = pair["first"], pair["second"]
    differs = ' class="differs"' if members[0]["class"] != members[1]["class"] else ""
    pictures = "".join(f'<img alt="" src="{_picture(member, records)}">' for member in members)
    texts = "".join(
        f"<span{differs}><b>{escape(member['class'])}</b>{escape(member['split'])} {member['index']:,}"
        f"<small>{escape(member.get('id', ''))}</small></span>"
        for member in members
    )
    alike = f"<figcaption>correlation {pair['likeness']:.3f}</figcaption>" if "likeness" in pair else ""
    return f'<figure class="panel pair">{pictures}{texts}{alike}</figure>'


def _picture(member: Mapping[str, Any], records: Mapping[str, Records]) -> str:
    """Returns the image of an example as a data URI."""
    (record,) = records[member["split"]].read([member["index"]])
    image = decode(record["image"])
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _method(report: Mapping[str, Any]) -> str:
    near, groups = report["near"], report["groups"]
    facts = {
        "Exact copies": "by a hash of the decoded pixels, inside splits and across them",
        "Look-alikes": (
            f"by a 64-bit cosine hash that differs in at most {near['bits']} bits, and thumbnails of 16×16 "
            f"that correlate at {near['correlation']} or more once the set's mean is taken away; a picture "
            "that was moved, turned or mirrored is not found"
        ),
        "Made-up images": "by names such as Training_1.jpg5.jpg, where the set stores the names of its files",
        "Groups": (
            f"{count_of(groups['groups'], 'group')} (people or source images) named by the set"
            if groups["known"]
            else "the set names no people or source images, so that these could not be checked"
        ),
        "Images": f"every one was decoded; a side below {SMALLEST_SIDE} pixels or one colour is reported",
        "Counts": (
            f"a class is far off if it is more than {percent(FAR, 0)} from its published number; the order "
            "of the labels is likely wrong if the counts fit the published ones in another order"
            if any(counts["published"] or counts["published_total"] for counts in report["counts"].values())
            else "no published numbers are known for this set"
        ),
    }
    rows = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in facts.items())
    return f'<div class="panel"><dl class="facts">{rows}</dl></div>'
