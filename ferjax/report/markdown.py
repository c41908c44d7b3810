"""Writes a run's report as Markdown: the numbers of the page, for notes and pull requests."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferjax.report import groups
from ferjax.report.affect_tables import affect_markdown
from ferjax.report.claims import CLAIMS
from ferjax.report.run import Run
from ferjax.report.tables import markdown, totals
from ferjax.report.wording import best_on_test, day, duration, number, overlap, percent
from ferjax.scores.confusion import accuracy_interval

_MOST = 60  # classes of a matrix
_CAPTIONS = {
    "curves": "Curves",
    "confusion": "Confusion matrix",
    "classes": "Scores of each class",
    "reliability": "Reliability diagram",
    "risk_coverage": "Risk–coverage curve",
    "affect": "Valence and arousal, predicted against actual",
    "groups": "Scores by group",
}


def run_markdown(run: Run, pictures: tuple[str, ...], by_group: Mapping[str, Any] | None = None) -> str:
    """Makes the whole document.

    Args:
        run: finished or not.
        pictures: names of the pictures beside the document.
        by_group: the scores by group, see `ferjax.scores.groups.measure`; None without.
    """
    parts = [f"# {plain(run.title)}", f"Run `{run.name}`"]
    if run.result is None:
        parts.append("**This run is unfinished**: it has no test result yet.")
    else:
        parts += results(run.result)
    if by_group:
        parts += ["## By group", groups.text(by_group, plain)]
    parts += [f"![{title}]({name}.png)" for name, title in _CAPTIONS.items() if name in pictures]
    return "\n\n".join(parts) + "\n"


def results(result: dict) -> list[str]:
    """Formats the result of a finished run as paragraphs: scores, each class, the confusion matrix.

    Args:
        result: the content of `result.json`.
    """
    test, probabilities = result["test"], result.get("probabilities")
    low, high = accuracy_interval(np.array(test["confusion_matrix"]))
    rows = [
        ["test accuracy", f"{percent(test['accuracy'])} (95% {percent(low, 1)} to {percent(high, 1)})"],
        ["mean class accuracy", percent(test["mean_class_accuracy"])],
        ["macro F1", percent(test["macro_f1"])],
        ["weighted F1", percent(test["weighted_f1"])],
        ["best step", f"{number(result['best_step'])} of {number(result['steps'])}, chosen on validation"],
        ["time", f"{duration(result['seconds'])} on {result['device']['kind']}"],
        ["date, seed", f"{day(result['date'])}, {result['seed']}"],
    ]
    if probabilities:
        rows += [
            ["ROC-AUC", number(probabilities["roc_auc"], 4)],
            ["average precision", number(probabilities["average_precision"], 4)],
            ["calibration error", percent(probabilities["calibration_error"], 1)],
        ]
        if probabilities["temperature"] is not None:
            scaled = percent(probabilities["calibration_error_scaled"], 1)
            rows.append([f"… with temperature {probabilities['temperature']:.2f}", scaled])
        if "risk_coverage_area" in probabilities:  # earlier versions did not store it
            rows.append(["area under risk–coverage", number(probabilities["risk_coverage_area"], 4)])
        if sets := probabilities.get("sets"):
            low, high = (percent(end, 1) for end in sets["expected"])
            overall = sets["overall"]
            rows.append(
                [
                    f"sets for {percent(sets['coverage'], 0)}: coverage, mean size",
                    f"{percent(overall['covered'], 1)} (expected {low} to {high}), "
                    f"{number(overall['mean_size'], 2)} classes",
                ]
            )
    parts = [markdown(("", "this run"), [[name, plain(value)] for name, value in rows])]
    if chosen := best_on_test(result):
        parts.append(f"> {chosen}.")
    if shared := overlap(result.get("overlap")):
        parts.append(f"> **These scores are too good**: {shared}.")
    claim = CLAIMS.get((result["model"], result["dataset"]))
    if claim is not None:
        note = f" ({claim.note})" if claim.note else ""
        parts.append(
            f"> Claimed by {claim.source}, not measured here and not a target: "
            f"{percent(claim.accuracy)}{note}."
        )
    classes = [
        [
            plain(row["name"]),
            *(f"{100 * row[name]:.1f}" for name in ("precision", "recall", "f1")),
            f"{row['support']:,}",
        ]
        for row in (*test["per_class"], *totals(test["per_class"]))
    ]
    parts += ["## Class by class", markdown(("class", "precision", "recall", "F1", "support"), classes)]
    if scores := result.get("affect"):
        parts += affect_markdown(scores, result["dataset"])
    if len(result["label_names"]) > _MOST:
        return [
            *parts,
            "## Confusion matrix",
            "It is in `result.json`: there are too many classes for a table.",
        ]
    parts += ["## Confusion matrix", "Rows are actual, columns predicted; images."]
    names = [plain(name) for name in result["label_names"]]
    counts = [
        [name, *(f"{count:,}" for count in row)]
        for name, row in zip(names, test["confusion_matrix"], strict=True)
    ]
    parts.append(markdown(("actual", *names), counts))
    return parts


def plain(text: str) -> str:
    """Escapes text from a file, so that it is no markup in Markdown or HTML; `markdown` escapes `|`."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#" else letter for letter in text)
