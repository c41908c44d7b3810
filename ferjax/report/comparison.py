"""One page that compares finished runs: scores with intervals, classes, curves, and what is really better."""

import os
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.report import comparison_plots, figures, plots, sections
from ferjax.report.document import cards, document
from ferjax.report.markdown import plain
from ferjax.report.page import write_pictures
from ferjax.report.run import Run
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import duration, number, p_value, percent, points
from ferjax.runs import predictions
from ferjax.scores import significance


def write_comparison(runs: Sequence[Run], folder: Path | str) -> Path:
    """Writes `index.html` and `report.md` of several runs, and the pictures beside them.

    Args:
        runs: at least two that are finished; unfinished ones are named and left out.
        folder: where to.

    Returns:
        The path of the page.

    Raises:
        UserError: fewer than two are finished.
    """
    finished = [run for run in runs if run.result is not None]
    if len(finished) < 2:
        raise UserError(f"a comparison needs two finished runs; of these {len(runs)}, {len(finished)} are")
    folder, names = Path(folder), _names(finished)
    pictures = _pictures(finished, names)
    write_pictures(folder, pictures)
    head, rows = _score_table(finished, names)
    tests = _tests(finished, names)
    unfinished = [run.name for run in runs if run.result is None]
    write_atomic(folder / "report.md", _markdown(head, rows, tests, unfinished, tuple(pictures)).encode())
    page = folder / "index.html"
    write_atomic(page, _html(finished, names, pictures, head, rows, tests, unfinished).encode())
    return page


def _names(runs: Sequence[Run]) -> list[str]:
    """The folders' names; with those above them where they are not enough to tell runs apart."""
    paths = [run.workdir.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = [os.sep.join(parts[-depth:]) for parts in paths]
        if max(Counter(names).values()) == 1:
            return names
    return [f"{position} {run.name}" for position, run in enumerate(runs, start=1)]


def _pictures(runs: Sequence[Run], names: Sequence[str]) -> dict[str, figures.Figure]:
    tests = [run.result["test"] for run in runs]
    pictures = {"scores": comparison_plots.score_dots(names, tests, [_intervals(run) for run in runs])}
    if _one_space(runs):
        recalls = np.array([[row["recall"] for row in test["per_class"]] for test in tests])
        pictures["recall"] = comparison_plots.recall_grid(names, recalls, runs[0].result["label_names"])
    if any(plots.curve_names(run.rows) for run in runs):
        pictures["validation"] = comparison_plots.overlaid(names, runs)
    return pictures


def _one_space(runs: Sequence[Run]) -> bool:
    return len({tuple(run.result["label_names"]) for run in runs}) == 1


def _intervals(run: Run) -> dict[str, tuple[float, float]]:
    """Over test images: those of the result, or worked out for a run that has none."""
    stored = run.result.get("probabilities")
    return (
        stored["intervals"]
        if stored
        else significance.image_intervals(np.array(run.result["test"]["confusion_matrix"]))
    )


def _score_table(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """A row a run; what is the same for all runs has no column."""
    head = ["run", "network", "set", "seed", "accuracy", "95% (images)", "mean class", "macro F1", "ROC-AUC",
            "calibration", "time"]  # fmt: skip
    rows = []
    for run, name in zip(runs, names, strict=True):
        result, test = run.result, run.result["test"]
        low, high = _intervals(run)["accuracy"]
        found = result.get("probabilities") or {"roc_auc": None, "calibration_error": None}
        rows.append(
            [
                name, result["model"], result["dataset"], str(result["seed"]), percent(test["accuracy"]),
                f"{percent(low, 1)} to {percent(high, 1)}", percent(test["mean_class_accuracy"]),
                percent(test["macro_f1"]), number(found["roc_auc"], 3),
                percent(found["calibration_error"], 1), duration(result["seconds"]),
            ]
        )  # fmt: skip
    about = range(1, 4)
    kept = [
        place for place in range(len(head)) if place not in about or len({row[place] for row in rows}) > 1
    ]
    return [head[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _tests(runs: Sequence[Run], names: Sequence[str]) -> tuple[str, list[str], list[list[str]]]:
    """McNemar's test of each run against the one with the best accuracy: a sentence, head and rows."""
    best = max(range(len(runs)), key=lambda place: runs[place].result["test"]["accuracy"])
    found, left_out = {}, []
    for place, run in enumerate(runs):
        if place == best:
            continue
        if run.test is None or runs[best].test is None:
            left_out.append(f"{names[place]} (no predictions are kept)")
            continue
        try:
            pair = predictions.right_of_both(runs[best].test, run.test)
        except UserError:
            left_out.append(f"{names[place]} (other test images)")
            continue
        found[place] = significance.mcnemar(*pair)
    raised = significance.holm([test.p for test in found.values()])
    head = ["run", "difference", "95% (images)", "only the best right", "only this right", "p", "p (Holm)"]
    rows = [
        [
            names[place], points(test.difference),
            f"{points(test.bootstrap.low)} to {points(test.bootstrap.high)}", f"{test.only_first:,}",
            f"{test.only_second:,}", p_value(test.p), p_value(p),
        ]
        for (place, test), p in zip(found.items(), raised, strict=True)
    ]  # fmt: skip
    told = f"Against {names[best]}, the best on test, by McNemar's exact test on the same images."
    if left_out:
        told += f" Left out: {', '.join(left_out)}."
    return told, head, rows


_CAUTION = (
    "The intervals and tests are over test images: they compare trained networks, not recipes. To tell "
    "recipes apart, train each with several seeds (ferjax repeat) and compare those (ferjax compare)."
)


def _html(
    runs: Sequence[Run],
    names: Sequence[str],
    pictures: dict[str, figures.Figure],
    head: list[str],
    rows: list[list[str]],
    tests: tuple[str, list[str], list[list[str]]],
    unfinished: list[str],
) -> str:
    shown = {name: figures.inline_svg(figure, name, name) for name, figure in pictures.items()}
    accuracies = [run.result["test"]["accuracy"] for run in runs]
    best = int(np.argmax(accuracies))
    sets = [run.result["dataset"] for run in runs]
    several = " The runs are of different sets: only scores on one set can be compared."
    apart = several if len(set(sets)) > 1 else ""
    networks = sorted({run.result["model"] for run in runs})
    glance = cards(
        ("Best test accuracy", percent(accuracies[best]), f"{names[best]} on {sets[best]}"),
        ("Runs", str(len(runs)), f"{len(unfinished)} more are unfinished" if unfinished else "all finished"),
        ("Range", f"{percent(min(accuracies), 1)} to {percent(max(accuracies), 1)}", "test accuracy"),
        ("Training", duration(sum(run.result["seconds"] for run in runs)), "of all runs together"),
    )
    recall = (
        f"""<h2>Class by class</h2>
<p class="muted">The share of each class's test images that a run has right.</p>
<div class="panel scroll grid">{shown["recall"]}</div>"""
        if "recall" in shown
        else ""
    )
    curves = (
        f"""<h2>Curves</h2>
<div class="panel scroll wide full">{shown["validation"]}</div>"""
        if "validation" in shown
        else ""
    )
    seen = "".join(sections.overlap(run.result, name) for run, name in zip(runs, names, strict=True))
    claims = "".join({sections.claim(run.result): None for run in runs})
    matrices = "".join(
        _matrix(run, name, place) for place, (run, name) in enumerate(zip(runs, names, strict=True))
    )
    body = f"""{glance}
{seen}{claims}
<h2>Scores</h2>
<p class="muted">On the test split, with 95% intervals over its images.{apart}</p>
<div class="panel scroll wide full">{shown["scores"]}</div>
<div class="panel scroll wide">{html_table(head, rows)}</div>
<h2>Which differences are real</h2>
<p class="muted">{escape(tests[0])} {_CAUTION}</p>
{f'<div class="panel scroll">{html_table(*tests[1:])}</div>' if tests[2] else ""}
{recall}
{curves}
<h2>Confusion matrices</h2>
<p class="muted">Rows are actual, columns predicted: the share of the row, and below it the images.</p>
<div class="matrices">{matrices}</div>"""
    return document(
        "Comparison of runs",
        "ferjax report",
        escape(f"{len(runs)} finished runs: {', '.join(networks)} on {', '.join(sorted(set(sets)))}"),
        body,
        "Written from the files of the runs by <code>ferjax report</code>. The pictures are beside this page "
        "as PNG and SVG, the tables in <code>report.md</code>.",
    )


def _matrix(run: Run, name: str, place: int) -> str:
    figure = plots.confusion(run.result["test"]["confusion_matrix"], run.result["label_names"])
    drawn = figures.inline_svg(figure, f"confusion-{place}", f"Confusion matrix {place + 1}")
    return f'<div class="panel scroll"><h3>{escape(name)}</h3>{drawn}</div>'


def _markdown(
    head: list[str],
    rows: list[list[str]],
    tests: tuple[str, list[str], list[list[str]]],
    unfinished: list[str],
    pictures: tuple[str, ...],
) -> str:
    parts = ["# Comparison of runs", markdown(head, [[plain(cell) for cell in row] for row in rows])]
    if unfinished:
        parts.append(f"Unfinished, left out: {plain(', '.join(unfinished))}.")
    parts += ["## Which differences are real", plain(tests[0]), _CAUTION]
    if tests[2]:
        parts.append(markdown(tests[1], [[plain(cell) for cell in row] for row in tests[2]]))
    parts += [f"![{name}]({name}.png)" for name in pictures]
    return "\n\n".join(parts) + "\n"
