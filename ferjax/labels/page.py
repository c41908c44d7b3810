"""Writes what was found about labels as one offline page, with the worst examples as pictures."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ferjax.data.images import BadImage, decode
from ferjax.errors import listed
from ferjax.labels.found import Evidence, Found, votes
from ferjax.labels.probabilities import VERB
from ferjax.platform import outputs
from ferjax.report.confusion_plot import MOST, cells
from ferjax.report.document import cards, document
from ferjax.report.embedded import photograph
from ferjax.report.figures import inline_svg, new_figure
from ferjax.report.palette import LIGHT
from ferjax.report.tables import html_table
from ferjax.report.wording import count_of, day, number, percent

SHOWN_NEIGHBOURS = 4
_SHOWN_PAIRS = 12
# Below this share of predicted labels the network's own mistakes are a large part of the estimate.
_FEW_AGREE = 0.75
_ABOUT = (
    "Each label was compared with the prediction of a network that had not seen the image. The share of "
    "wrong labels is estimated by confident learning (Northcutt et al., 2021); the intervals are 95 % by a "
    "bootstrap over {of}, and tell how far the numbers may move with other images, not with other "
    "networks. A network that errs in a regular way makes the estimate too large. People have to look: a "
    "suspect may be right, and an image may show two emotions or none."
)
_STYLE = """<style>
.suspects { display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.suspect { margin: 0; padding: 0.9rem; display: grid; grid-template-columns: 7.5rem minmax(0, 1fr);
  gap: 0.3rem 0.9rem; align-content: start; }
.suspect > img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 8px;
  background: var(--page); }
.suspect figcaption { font-size: 0.88rem; line-height: 1.45; overflow-wrap: anywhere; }
.suspect figcaption b { color: var(--best); }
.suspect figcaption span, .suspect figcaption small { display: block; }
.suspect small { color: var(--muted); overflow-wrap: anywhere; }
.near { grid-column: 1 / -1; display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.4rem;
  border-top: 1px solid var(--line); margin-top: 0.5rem; padding-top: 0.6rem; }
.near p { grid-column: 1 / -1; font-size: 0.83rem; color: var(--muted); margin: 0; }
.near img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; display: block;
  background: var(--page); }
.near span { font-size: 0.78rem; line-height: 1.3; overflow-wrap: anywhere; color: var(--muted); }
.near .speaks { color: var(--best); font-weight: 600; }
</style>"""


def write(path: Path, found: Found, shown: Sequence[Evidence], numbers: Mapping[str, Any]) -> None:
    """Writes the page.

    Args:
        path: of the page.
        found: see `ferjax.labels.found.find`.
        shown: the examples with pictures, the worst first.
        numbers: the content of `labels.json`.
    """
    outputs.write(VERB, path, _html(found, shown, numbers).encode())


def _html(found: Found, shown: Sequence[Evidence], numbers: Mapping[str, Any]) -> str:
    names = found.whole.label_names
    matrix = noise_matrix(found)
    drawn = inline_svg(matrix, "noise", "Wrong labels by pair of classes; the table below has the numbers")
    people = len(np.unique(found.whole.groups)) < len(found.whole.labels)
    about = _ABOUT.format(of="people or source images" if people else "images")
    total = numbers["flagged"]["total"]
    body = [
        _STYLE,
        _cards(numbers),
        _notices(cautions(numbers)),
        f'<h2>Which labels are wrong</h2><p class="muted">{about}</p>',
        f'<div class="panel scroll matrix">{drawn}</div>',
        f'<div class="panel scroll wide">{html_table(*pair_table(numbers))}</div>',
        "<h2>Class by class</h2>",
        f'<div class="panel scroll">{html_table(*class_table(numbers))}</div>',
        "<h2>The worst examples</h2>",
        f'<p class="muted">{_which(shown, total)}</p>',
        '<div class="suspects">' + "".join(_figure(found, one, names) for one in shown) + "</div>",
        '<h2>How it was made</h2><div class="panel"><dl class="facts">'
        + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _method(numbers).items())
        + "</dl></div>",
    ]
    return document(
        f"Labels of {numbers['dataset']}",
        "ferjax labels",
        escape(
            f"{count_of(numbers['examples'], 'image')} of {listed(numbers['splits'])}, looked at on "
            f"{day(numbers['date'])}"
        ),
        "\n".join(body),
        "All suspects are in <code>relabel.csv</code>: fill in its column <code>new_label</code>, then "
        "give the file to <code>data.relabel</code> or <code>prepare folder</code>. The numbers are in "
        "<code>labels.json</code>.",
    )


def _cards(numbers: Mapping[str, Any]) -> str:
    low, high = (percent(end, 1) for end in numbers["noise"]["interval"])
    flagged = numbers["flagged"]
    splits = ", ".join(f"{count:,} in {split}" for split, count in flagged["splits"].items())
    return cards(
        (
            f"Wrong labels, {'at most' if is_bound(numbers) else 'estimated'}",
            percent(numbers["noise"]["share"], 1),
            f"95%: {low} to {high}",
        ),
        ("These are", count_of(flagged["total"], "suspect"), f"of {numbers['examples']:,} images: {splits}"),
        ("Labels predicted", percent(numbers["accuracy"], 1), "by networks that had not seen the image"),
    )


def is_bound(numbers: Mapping[str, Any]) -> bool:
    """Says whether the networks are so weak that the estimate is only an upper bound."""
    return numbers["accuracy"] < _FEW_AGREE


def cautions(numbers: Mapping[str, Any]) -> list[str]:
    """Returns what to know before the estimate is believed, a sentence or two each."""
    texts = [*numbers["warnings"]]
    if is_bound(numbers):
        texts.append(
            f"Networks predict only {percent(numbers['accuracy'], 0)} of the labels of images that they had "
            f"not seen. A part of the estimated {percent(numbers['noise']['share'], 0)} is their own "
            "mistakes: take the estimate for an upper bound, and the list for an order to look in; a "
            "better recipe sharpens both."
        )
    if planted := numbers["planted"]:
        texts.append(
            f"{percent(planted['share'], 1)} of the labels were made wrong on purpose "
            f"(data.label_noise). Of the suspects {percent(planted['precision'], 1)} are wrong; they are "
            f"{percent(planted['recall'], 1)} of the wrong ones."
        )
    return texts


def _notices(texts: Sequence[str]) -> str:
    shown = "".join(f"<p>{escape(text)}</p>" for text in texts)
    return f'<div class="panel notice" role="status"><b>Note</b>{shown}</div>' if texts else ""


def noise_matrix(found: Found) -> Figure:
    """Draws the share of each given label that is estimated to be another class; the diagonal is "
    "left empty."""
    joint, names = found.finding.joint, found.whole.label_names
    total = joint.sum(1, keepdims=True)
    shares = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    np.fill_diagonal(shares, 0)
    counts = len(found.whole.labels) * joint
    side = min(len(names), MOST)
    figure = new_figure(1.2 + 0.62 * side, 0.9 + 0.56 * side)
    axes = figure.add_subplot()

    def texts(row: int, column: int) -> tuple[str, str]:
        if not shares[row, column]:
            return ("", "")
        return percent(shares[row, column], 1), f"{counts[row, column]:,.0f}"

    cells(axes, shares / max(shares.max(), 1e-9), texts, names, names)
    axes.set_xlabel("estimated class", fontsize=9, color=LIGHT["muted"], labelpad=8)
    axes.set_ylabel("given label", fontsize=9, color=LIGHT["muted"], labelpad=8)
    return figure


def pair_table(numbers: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows: the pairs of classes with the most wrong labels."""
    rows = [
        [
            f"{pair['label']} → {pair['actual']}",
            number(pair["examples"]),
            f"{number(pair['interval'][0])} to {number(pair['interval'][1])}",
        ]
        for pair in numbers["pairs"][:_SHOWN_PAIRS]
    ]
    return ["label → estimated class", "suspects", "95%"], rows


def class_table(numbers: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows: how much of each label is wrong."""
    rows = [
        [
            row["name"],
            number(row["examples"]),
            number(row["flagged"]),
            percent(row["wrong"], 1),
            f"{percent(row['interval'][0], 1)} to {percent(row['interval'][1], 1)}",
        ]
        for row in numbers["classes"]
        if row["examples"]
    ]
    return ["label", "images", "suspects", "wrong", "95%"], rows


def _which(shown: Sequence[Evidence], total: int) -> str:
    if not total:
        return "No label is suspect."
    which = (
        f"All {total:,} suspects"
        if len(shown) == total
        else f"The worst {len(shown):,} of {total:,} suspects"
    )
    near = (
        " Below each the images that are nearest to it among those that its network was trained on, "
        "with their labels."
        if any(len(one.neighbours) for one in shown)
        else ""
    )
    return f"{which}: those for which another class is likelier than the label by most.{near}"


def _figure(found: Found, one: Evidence, names: Sequence[str]) -> str:
    label = int(found.whole.labels[one.example])
    chances = found.probabilities.values[one.example]
    split, index = found.whole.place(one.example)
    key = (
        ""
        if found.whole.key == "example"
        else f"<small>{escape(found.whole.keys[one.example][:120])}</small>"
    )
    return (
        f'<figure class="panel suspect">{_picture(found, one.example)}<figcaption>'
        f"<span>labelled {escape(names[label])}, {percent(float(chances[label]), 0)}</span>"
        f"<span>likelier <b>{escape(names[one.suggested])}</b>, {percent(float(chances[one.suggested]), 0)}"
        f"</span><small>{escape(split)} {index:,}</small>{key}</figcaption>"
        f"{_near(found, one, names)}</figure>"
    )


def _near(found: Found, one: Evidence, names: Sequence[str]) -> str:
    if not len(one.neighbours):
        return ""
    labels = found.whole.labels[one.neighbours]
    counted = votes(labels, len(names))
    label = int(found.whole.labels[one.example])
    pictures = "".join(
        f"<div>{_picture(found, int(example))}"
        f"<span{' class=speaks' if near == one.suggested else ''}>{escape(names[int(near)])}</span></div>"
        for example, near in zip(one.neighbours[:SHOWN_NEIGHBOURS], labels.tolist(), strict=False)
    )
    text = (
        f"Of the {len(labels)} nearest images {counted[one.suggested]} have the label "
        f"{names[one.suggested]}, {counted[label]} {names[label]}."
    )
    return f'<div class="near"><p>{escape(text)}</p>{pictures}</div>'


def _picture(found: Found, example: int) -> str:
    (record,) = found.whole.records.read([example])
    try:
        return f'<img alt="" src="{photograph(decode(record["image"]))}">'
    except BadImage:
        return "<span>cannot be decoded</span>"


def _method(numbers: Mapping[str, Any]) -> dict[str, str]:
    rows = {
        "probabilities": numbers["source"],
        "suspects": (
            "as many of each pair of classes as the confident joint says, those with the largest difference "
            "between the probability of the other class and of the label; none whose label is the "
            "likeliest class"
        ),
        "estimate": (
            "all suspects count as wrong; the confident joint alone, which counts labels that are the "
            f"likeliest class too, says {percent(numbers['noise']['by_confident_joint'], 1)}"
        ),
        "set": f"{numbers['dataset']}, digest {numbers['digest']}",
        "made by": f"ferjax {numbers['ferjax']}",
    }
    if numbers["relabel"]:
        rows["labels"] = (
            f"{count_of(numbers['relabel']['replaced'], 'label')} replaced by "
            f"{numbers['relabel']['file']}, SHA-256 {numbers['relabel']['digest']}"
        )
    return rows
