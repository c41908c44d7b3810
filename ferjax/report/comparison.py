"""Writes one page that compares finished runs: scores with intervals, classes, curves, significance."""

import os
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.platform import outputs
from ferjax.report import comparison_plots, confusion_plot, curve_plots, figures, groups, sections
from ferjax.report.document import cards, document
from ferjax.report.markdown import plain
from ferjax.report.page import VERB
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.run import Run, test_intervals
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import duration, number, p_value, percent, points
from ferjax.runs import predictions
from ferjax.scores import significance


class Finished(NamedTuple):
    """A finished run, its name in the comparison, and the content of its `result.json`."""

    name: str
    run: Run
    result: dict[str, Any]


class Tests(NamedTuple):
    """McNemar's tests of the other runs against the best one: a sentence, and a table."""

    text: str
    head: list[str]
    rows: list[list[str]]


def write_comparison(runs: Sequence[Run], folder: Path | str) -> Path:
    """Writes `index.html` and `report.md` of several runs, and the pictures beside them.

    Args:
        runs: at least two finished ones; unfinished ones are named and left out.
        folder: the folder to write into.

    Returns:
        The path of the page.

    Raises:
        UserError: fewer than two are finished, or the page cannot be written there.
    """
    results = [(run, run.result) for run in runs if run.result is not None]
    if len(results) < 2:
        raise UserError(f"a comparison needs two finished runs; of these {len(runs)}, {len(results)} are")
    names = _names([run for run, _ in results])
    finished = [Finished(name, *pair) for name, pair in zip(names, results, strict=True)]
    folder = user_path(folder)
    pictures = _pictures(finished)
    page, text = folder / "index.html", folder / "report.md"
    outputs.check(VERB, page, text, *picture_files(folder, pictures))
    write_pictures(VERB, folder, pictures)
    head, rows = _score_table(finished)
    tests, by_group = _tests(finished), _by_group(finished)
    unfinished = [run.name for run in runs if run.result is None]
    outputs.write(VERB, text, _markdown(head, rows, tests, by_group, unfinished, tuple(pictures)).encode())
    html = _html(finished, pictures, html_table(head, rows), tests, by_group, unfinished)
    outputs.write(VERB, page, html.encode())
    return page


def _names(runs: Sequence[Run]) -> list[str]:
    """Returns the folders' names, with their parents where those are needed to tell runs apart."""
    paths = [run.workdir.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = [os.sep.join(parts[-depth:]) for parts in paths]
        if max(Counter(names).values()) == 1:
            return names
    return [f"{position} {run.name}" for position, run in enumerate(runs, start=1)]


def _pictures(finished: Sequence[Finished]) -> dict[str, Figure]:
    names, tests = [one.name for one in finished], [one.result["test"] for one in finished]
    intervals = [test_intervals(one.result) for one in finished]
    pictures = {"scores": comparison_plots.score_dots(names, tests, intervals)}
    label_names = finished[0].result["label_names"]
    if all(one.result["label_names"] == label_names for one in finished):
        recalls = np.array([[row["recall"] for row in test["per_class"]] for test in tests])
        pictures["recall"] = comparison_plots.recall_grid(names, recalls, label_names)
    runs = [one.run for one in finished]
    if any(curve_plots.curve_names(run.rows) for run in runs):
        pictures["validation"] = comparison_plots.overlaid(names, runs)
    return pictures


def _score_table(finished: Sequence[Finished]) -> tuple[list[str], list[list[str]]]:
    """Makes a row for each run; a column that is the same for all runs is left out."""
    head = ["run", "network", "set", "seed", "accuracy", "95% (images)", "mean class", "macro F1", "ROC-AUC",
            "calibration", "time"]  # fmt: skip
    rows = []
    for name, _, result in finished:
        test = result["test"]
        low, high = test_intervals(result)["accuracy"]
        probabilities = result.get("probabilities") or {"roc_auc": None, "calibration_error": None}
        rows.append(
            [
                name, result["model"], result["dataset"], str(result["seed"]), percent(test["accuracy"]),
                f"{percent(low, 1)} to {percent(high, 1)}", percent(test["mean_class_accuracy"]),
                percent(test["macro_f1"]), number(probabilities["roc_auc"], 3),
                percent(probabilities["calibration_error"], 1), duration(result["seconds"]),
            ]
        )  # fmt: skip
    optional = range(1, 4)
    kept = [
        place for place in range(len(head)) if place not in optional or len({row[place] for row in rows}) > 1
    ]
    return [head[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _tests(finished: Sequence[Finished]) -> Tests:
    """Runs McNemar's test of each run against the one with the best accuracy."""
    best = max(finished, key=lambda one: one.result["test"]["accuracy"])
    tested, left_out = [], []
    for one in finished:
        if one is best:
            continue
        if one.run.test is None or best.run.test is None:
            left_out.append(f"{one.name} (no predictions are kept)")
            continue
        try:
            pair = predictions.right_of_both(best.run.test, one.run.test)
        except UserError:
            left_out.append(f"{one.name} (other test images)")
            continue
        tested.append((one.name, significance.mcnemar(*pair)))
    corrected = significance.holm([test.p for _, test in tested])
    head = ["run", "difference", "95% (images)", "only the best right", "only this right", "p", "p (Holm)"]
    rows = [
        [
            name, points(test.difference),
            f"{points(test.bootstrap.low)} to {points(test.bootstrap.high)}", f"{test.only_first:,}",
            f"{test.only_second:,}", p_value(test.p), p_value(p),
        ]
        for (name, test), p in zip(tested, corrected, strict=True)
    ]  # fmt: skip
    text = f"Against {best.name}, the best on test, by McNemar's exact test on the same images."
    if left_out:
        text += f" Left out: {', '.join(left_out)}."
    return Tests(text, head, rows)


def _by_group(finished: Sequence[Finished]) -> list[Tests]:
    """Compares each run with the best one by group, attribute by attribute, where both know attributes."""
    best = max(finished, key=lambda one: one.result["test"]["accuracy"])
    tables = []
    for one in finished:
        if one is best or one.run.test is None or best.run.test is None:
            continue
        try:
            predictions.right_of_both(best.run.test, one.run.test)
        except UserError:  # other test images, as the table of tests says
            continue
        for name, compared in groups.compared_by_group(best.run.test, one.run.test).items():
            head, rows = groups.comparison_table(name, compared, "best", "this")
            tables.append(Tests(f"{one.name}. {groups.closing(name, compared)}", head, rows))
    return tables


def _groups(by_group: Sequence[Tests]) -> str:
    if not by_group:
        return ""
    panels = "".join(
        f'<p class="muted">{escape(each.text)}</p>'
        f'<div class="panel scroll">{html_table(each.head, each.rows)}</div>'
        for each in by_group
    )
    return f"""<h2>By group</h2>
<p class="muted">{_GROUP_TESTS}</p>
<details class="wide"><summary>Every run beside the best, by attribute</summary>{panels}</details>"""


_GROUP_TESTS = (
    "The same images, group by group: McNemar's exact test of the accuracy, corrected by Holm's method for "
    "all groups of a run."
)
_CAUTION = (
    "The intervals and tests are over test images: they compare trained networks, not recipes. To tell "
    "recipes apart, train each with several seeds (ferjax repeat) and compare those (ferjax compare)."
)


def _html(
    finished: Sequence[Finished],
    pictures: dict[str, Figure],
    score_table: str,
    tests: Tests,
    by_group: Sequence[Tests],
    unfinished: list[str],
) -> str:
    drawn = {name: figures.inline_svg(figure, name, name) for name, figure in pictures.items()}
    sets = {one.result["dataset"] for one in finished}
    networks = sorted({one.result["model"] for one in finished})
    caution = " The runs are of different sets: only scores on one set can be compared."
    overlaps = "".join(sections.overlap(one.result, one.name) for one in finished)
    claims = "".join({sections.claim(one.result): None for one in finished})
    matrices = "".join(_matrix(one, place) for place, one in enumerate(finished))
    body = f"""{_cards(finished, unfinished)}
{overlaps}{claims}
<h2>Scores</h2>
<p class="muted">On the test split, with 95% intervals over its images.{caution if len(sets) > 1 else ""}</p>
<div class="panel scroll wide full">{drawn["scores"]}</div>
<div class="panel scroll wide">{score_table}</div>
<h2>Which differences are real</h2>
<p class="muted">{escape(tests.text)} {_CAUTION}</p>
{f'<div class="panel scroll">{html_table(tests.head, tests.rows)}</div>' if tests.rows else ""}
{_groups(by_group)}
{_recall(drawn)}
{_validation(drawn)}
<h2>Confusion matrices</h2>
<p class="muted">Rows are actual, columns predicted: the share of the row, and below it the images.</p>
<div class="matrices">{matrices}</div>"""
    return document(
        "Comparison of runs",
        "ferjax report",
        escape(f"{len(finished)} finished runs: {', '.join(networks)} on {', '.join(sorted(sets))}"),
        body,
        "Written from the files of the runs by <code>ferjax report</code>. The pictures are beside this page "
        "as PNG and SVG, the tables in <code>report.md</code>.",
    )


def _cards(finished: Sequence[Finished], unfinished: list[str]) -> str:
    accuracies = [one.result["test"]["accuracy"] for one in finished]
    best = finished[int(np.argmax(accuracies))]
    seconds = sum(one.result["seconds"] for one in finished)
    return cards(
        ("Best test accuracy", percent(max(accuracies)), f"{best.name} on {best.result['dataset']}"),
        (
            "Runs",
            str(len(finished)),
            f"{len(unfinished)} more are unfinished" if unfinished else "all finished",
        ),
        ("Range", f"{percent(min(accuracies), 1)} to {percent(max(accuracies), 1)}", "test accuracy"),
        ("Training", duration(seconds), "of all runs together"),
    )


def _recall(drawn: dict[str, str]) -> str:
    if "recall" not in drawn:
        return ""
    return f"""<h2>Class by class</h2>
<p class="muted">The share of each class's test images that a run has right.</p>
<div class="panel scroll grid">{drawn["recall"]}</div>"""


def _validation(drawn: dict[str, str]) -> str:
    if "validation" not in drawn:
        return ""
    return f"""<h2>Curves</h2>
<div class="panel scroll wide full">{drawn["validation"]}</div>"""


def _matrix(one: Finished, place: int) -> str:
    figure = confusion_plot.confusion(one.result["test"]["confusion_matrix"], one.result["label_names"])
    drawn = figures.inline_svg(figure, f"confusion-{place}", f"Confusion matrix {place + 1}")
    return f'<div class="panel scroll"><h3>{escape(one.name)}</h3>{drawn}</div>'


def _markdown(
    head: list[str],
    rows: list[list[str]],
    tests: Tests,
    by_group: Sequence[Tests],
    unfinished: list[str],
    pictures: tuple[str, ...],
) -> str:
    parts = ["# Comparison of runs", markdown(head, [[plain(cell) for cell in row] for row in rows])]
    if unfinished:
        parts.append(f"Unfinished, left out: {plain(', '.join(unfinished))}.")
    parts += ["## Which differences are real", plain(tests.text), _CAUTION]
    if tests.rows:
        parts.append(markdown(tests.head, [[plain(cell) for cell in row] for row in tests.rows]))
    if by_group:
        parts += ["## By group", _GROUP_TESTS]
    for each in by_group:
        parts += [plain(each.text), markdown(each.head, [[plain(cell) for cell in row] for row in each.rows])]
    parts += [f"![{name}]({name}.png)" for name in pictures]
    return "\n\n".join(parts) + "\n"
