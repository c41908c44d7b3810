"""The report's part on groups: scores by attribute and by pairs of attributes, gaps, confusions, calibration.

The numbers are those of `ferjax.scores.groups.measure`; the tables are the same on the page, in Markdown and
in a terminal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ferjax.platform.console import printable
from ferjax.report import group_fairness
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import p_value, percent, points
from ferjax.runs.predictions import Predictions
from ferjax.scores import group_comparison, groups
from ferjax.scores.confusion import most_confused

_MOST_CLASSES = 12  # of a confusion matrix on the page; larger ones are in the JSON file of `evaluate`
_MOST_PAIRS = 10  # in the tables beside the page
_CONFUSIONS = 3
_TITLES = {"accuracy": "accuracy", "mean_class_accuracy": "mean class", "macro_f1": "macro F1"}


def measured(test: Predictions | None) -> dict[str, Any] | None:
    """Measures the test split by group; None where no attribute is known."""
    if test is None or not test.attributes:
        return None
    return groups.measure(test.labels, test.log_probabilities, test.attributes)


def how(smallest: int) -> str:
    """Explains the tables of gaps and groups."""
    return (
        "Intervals are at 95% over images, each for its number alone. A gap is real if groups that are "
        "treated alike would show one that stands out so in fewer than 5% of all tests: p is corrected for "
        "the choice of the largest gap and, by Holm's method, for all attributes and scores. For means over "
        "classes, what comes from rare or missing classes alone does not count. A group of fewer than "
        f"{smallest} images is pooled or marked “few”, and not compared; “unknown” has no value. “Sure − "
        "right” is the mean probability of the answers less their accuracy: above 0 the network is too sure."
    )


def group_table(title: str, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Makes a row for each group of an attribute, or of a pair.

    Args:
        title: of the first column.
        rows: the `groups` of `ferjax.scores.groups.measure`.

    Returns:
        The head and the rows.
    """
    head = [title, "images", *(f"{name} (95%)" for name in _TITLES.values()), "sure − right (95%)", "ECE"]
    return head, [
        [
            _name(row),
            f"{row['images']:,}",
            *(_with_ends(row[score], row["intervals"][score]) for score in groups.SCORES),
            f"{points(row['overconfidence'], 1)} "
            f"({' to '.join(points(end, 1) for end in row['overconfidence_interval'])})",
            percent(row["calibration_error"], 1),
        ]
        for row in rows
    ]


def gap_table(measurement: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes a row for each attribute and score: the largest gap, and whether it is real."""
    rows = []
    for name, attribute in measurement["attributes"].items():
        if not attribute["gaps"]:
            known = [row for row in attribute["groups"] if not row["small"]]
            why = f"one group only ({known[0]['name']})" if known else "no group is large enough"
            rows.append([name, "", "", "", why, "", ""])
        rows += [[name, *_gap(score, gap)] for score, gap in attribute["gaps"].items()]
    return ["attribute", *_GAP_HEAD], rows


def pair_table(measurement: Mapping[str, Any], most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Makes such rows for pairs of attributes, the least likely by chance first; `most` of them, or all."""
    rows = [
        (gap["p"], -gap["gap"], [" × ".join(pair["attributes"]), *_gap(score, gap)])
        for pair in measurement["pairs"]
        for score, gap in pair["gaps"].items()
    ]
    return ["attributes", *_GAP_HEAD], [row for *_, row in sorted(rows)[:most]]


_GAP_HEAD = ["score", "largest gap", "95%", "between", "p (Holm)", "real"]


def _gap(score: str, gap: Mapping[str, Any]) -> list[str]:
    return [
        _TITLES[score],
        points(gap["gap"], 1),
        " to ".join(points(end, 1) for end in gap["interval"]),
        f"{gap['high']} and {gap['low']}",
        p_value(gap["p"]),
        "yes" if gap["real"] else "not shown",
    ]


def text(measurement: Mapping[str, Any], written: Callable[[str], str] = str) -> str:
    """Formats all tables for a terminal or a Markdown file, without pairs that are unlikely to matter.

    Args:
        measurement: see `ferjax.scores.groups.measure`.
        written: makes a cell plain text where it could be markup.
    """

    def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return markdown([written(cell) for cell in head], [[written(cell) for cell in row] for row in rows])

    parts = [table(*gap_table(measurement))]
    parts += [
        table(*group_table(name, attribute["groups"]))
        for name, attribute in measurement["attributes"].items()
    ]
    head, rows = pair_table(measurement, _MOST_PAIRS)
    if rows:
        parts += [
            f"Pairs of attributes, the {len(rows)} gaps that are least likely by chance:",
            table(head, rows),
        ]
    return "\n\n".join([*parts, how(measurement["smallest"])])


def comparison_table(
    title: str, compared: Mapping[str, Any], first: str, second: str
) -> tuple[list[str], list[list[str]]]:
    """Makes a row for each group of an attribute: the scores of two networks, and whether they differ.

    Args:
        title: the attribute.
        compared: an attribute of `ferjax.scores.group_comparison.compare`.
        first: the first network's name.
        second: the second one's.
    """
    head = [
        title, "images",
        *(f"{name}, {which}" for name in _TITLES.values() for which in (first, second)),
        "difference", "95%", "p (Holm)",
    ]  # fmt: skip
    rows = [
        [
            _name(row),
            f"{row['images']:,}",
            *(percent(row[which][score], 1) for score in groups.SCORES for which in ("first", "second")),
            points(row["difference"], 1),
            " to ".join(points(end, 1) for end in row["interval"]),
            "" if row["p"] is None else p_value(row["p"]),
        ]
        for row in compared["groups"]
    ]
    return head, rows


def closing(title: str, compared: Mapping[str, Any]) -> str:
    """Says how the largest gap of an attribute changes from the first network to the second."""
    closes = compared["closes"]
    if closes is None:
        return printable(f"{title}: fewer than two groups are large enough to be compared.")
    ends = " to ".join(points(end, 1) for end in closes["interval"])
    return printable(
        f"{title}: the first network's largest gap of the accuracy, {closes['high']} − {closes['low']}, goes "
        f"from {points(closes['first'], 1)} to {points(closes['second'], 1)} points: it closes by "
        f"{points(closes['difference'], 1)} (95% {ends})."
    )


def compared_by_group(first: Predictions, second: Predictions) -> dict[str, Any]:
    """Compares two networks, tested on the same images, by group; empty where no attribute is known."""
    attributes = first.attributes or second.attributes
    labels, classes = first.labels, len(first.label_names)
    return group_comparison.compare(labels, first.predicted, second.predicted, classes, attributes)


def drawable(measurement: Mapping[str, Any] | None) -> bool:
    """Tells whether there is a group to draw."""
    every = measurement["attributes"].values() if measurement else ()
    return any(not row["small"] for attribute in every for row in attribute["groups"])


def section(measurement: Mapping[str, Any], label_names: Sequence[str], drawn: str) -> str:
    """Makes the part of the page.

    Args:
        measurement: see `ferjax.scores.groups.measure`.
        label_names: the K classes.
        drawn: the picture as SVG; empty without.
    """
    tables = "\n".join(
        f'<div class="panel scroll wide">{html_table(*group_table(name, attribute["groups"]))}</div>'
        for name, attribute in measurement["attributes"].items()
    )
    picture_panel = f'<div class="panel scroll wide full">{drawn}</div>' if drawn else ""
    return f"""<h2>Is it equally good for every group?</h2>
<p class="muted">{escape(how(measurement["smallest"]))}</p>
<div class="panel scroll">{html_table(*gap_table(measurement))}</div>
{picture_panel}
{tables}
{group_fairness.section(measurement["attributes"], label_names)}
{_confusions(measurement["attributes"], label_names)}
{_pairs(measurement)}"""


def _confusions(attributes: Mapping[str, Any], label_names: Sequence[str]) -> str:
    """Makes the folded confusion matrices of every group that is large enough."""
    shown = [
        (f"{name}: {row['name']}", row)
        for name, attribute in attributes.items()
        for row in attribute["groups"]
        if not row["small"]
    ]
    panels = "".join(
        f'<div class="panel scroll"><h3>{escape(title)}</h3>{_most(row, label_names)}'
        f"{_matrix(row['confusion_matrix'], label_names)}</div>"
        for title, row in shown
    )
    if not shown:
        return ""
    return f"""<details class="wide"><summary>What is confused, by group</summary>
<p class="muted">Rows are actual, columns predicted: the share of the row in percent; empty: none.</p>
<div class="matrices">{panels}</div></details>"""


def _most(row: Mapping[str, Any], label_names: Sequence[str]) -> str:
    counts = np.array(row["confusion_matrix"])
    found = [
        f"{label_names[actual]} for {label_names[predicted]} "
        f"{percent(counts[actual, predicted] / counts[actual].sum(), 0)}"
        for actual, predicted in most_confused(counts, _CONFUSIONS)
    ]
    return f'<p class="muted">Most frequent: {escape(", ".join(found) or "none")}.</p>'


def _matrix(matrix: Sequence[Sequence[int]], label_names: Sequence[str]) -> str:
    if len(label_names) > _MOST_CLASSES:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *label_names))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(_cells(counts))}</tr>'
        for name, counts in zip(label_names, matrix, strict=True)
    )
    return f'<table class="plain shares"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cells(counts: Sequence[int]) -> Iterable[str]:
    total = max(sum(counts), 1)
    for count in counts:
        shade = f"background:color-mix(in srgb, var(--accent) {round(55 * count / total)}%, transparent)"
        yield f'<td style="{shade}">{f"{100 * count / total:.0f}" if count else ""}</td>'


def _pairs(measurement: Mapping[str, Any]) -> str:
    """Makes the folded tables of pairs of attributes: gaps, and a grid of accuracies for each pair."""
    if not measurement["pairs"]:
        return ""
    grids = "".join(_grid(pair, measurement["attributes"]) for pair in measurement["pairs"])
    return f"""<details class="wide"><summary>Pairs of groups</summary>
<div class="panel scroll">{html_table(*pair_table(measurement))}</div>
<p class="muted">Accuracy with its interval, and the images, of everybody who is in both groups.</p>
{grids}</details>"""


def _grid(pair: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    first, second = (
        [row["name"] for row in attributes[name]["groups"] if row["name"] != groups.UNKNOWN]
        for name in pair["attributes"]
    )
    held = {row["name"]: row for row in pair["groups"]}
    rows = [[one, *(_grid_cell(held.get(f"{one} × {other}")) for other in second)] for one in first]
    title = " × ".join(pair["attributes"])
    return f'<div class="panel scroll wide">{html_table([title, *second], rows)}</div>'


def _grid_cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    few = ", few" if row["small"] else ""
    return f"{_with_ends(row['accuracy'], row['intervals']['accuracy'])}, {row['images']:,}{few}"


def _with_ends(value: float, ends: Sequence[float]) -> str:
    return f"{percent(value, 1)} ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})"


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['name']} (few)" if row["small"] and row["name"] != groups.UNKNOWN else row["name"]
