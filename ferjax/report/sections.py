"""Makes the pieces of the page as HTML text; escapes everything that comes from a file."""

from collections.abc import Iterable
from html import escape

import numpy as np

from ferjax.report import curve_plots, figures, tables, wording
from ferjax.report.claims import CLAIMS
from ferjax.report.document import cards
from ferjax.report.run import Run, series
from ferjax.report.wording import count_of, day, duration, memory, number, percent
from ferjax.scores.confusion import accuracy_interval, most_confused

_WORST_SHOWN = 7
_MAIN_VERSIONS = ("ferjax", "jax", "python")


def result_cards(result: dict) -> str:
    """Makes the summary of a finished run."""
    test, validation, device = result["test"], result["validation"], result["device"]
    matrix = np.array(test["confusion_matrix"])
    low, high = accuracy_interval(matrix)
    measured = sum(row["support"] > 0 for row in test["per_class"])
    chips = f" × {device['count']}" if device["count"] > 1 else ""
    return cards(
        (
            "Test accuracy",
            percent(test["accuracy"]),
            f"{np.trace(matrix):,} of {matrix.sum():,} images; "
            f"95% interval {percent(low, 1)} to {percent(high, 1)}",
        ),
        (
            "Mean class accuracy",
            percent(test["mean_class_accuracy"]),
            f"mean recall of {count_of(measured, 'class')}",
        ),
        ("Macro F1", percent(test["macro_f1"]), f"weighted F1 {percent(test['weighted_f1'])}"),
        (
            "Best step",
            number(result["best_step"]),
            f"of {number(result['steps'])}; validation accuracy {percent(validation['accuracy'])}",
        ),
        ("Time", duration(result["seconds"]), f"{result['epochs']:.3g} epochs"),
        (
            "Images a second",
            number(result["images_per_second"]),
            f"{percent(result['data_wait_fraction'], 1)} of the time waiting for data",
        ),
        (
            "Device",
            f"{device['kind']}{chips}",
            f"{count_of(device['processes'], 'process')}, peak memory {memory(result['peak_memory_bytes'])}",
        ),
        ("Date", day(result["date"]), _versions(result, _MAIN_VERSIONS)),
        *_probability_cards(result.get("probabilities")),
    )


def _probability_cards(scores: dict | None) -> list[tuple[str, str, str]]:
    if scores is None:
        return []
    note = "of the network's own probabilities"
    if scores["temperature"] is not None:
        scaled = percent(scores["calibration_error_scaled"], 1)
        note = f"{scaled} with temperature {scores['temperature']:.2f}, fitted on validation"
    ends = scores["intervals"]
    return [
        ("ROC-AUC", number(scores["roc_auc"], 4), "one class against the rest, mean of classes"),
        ("Average precision", number(scores["average_precision"], 4), "likewise, of precision over recall"),
        ("Calibration error", percent(scores["calibration_error"], 1), note),
        (
            "95% intervals over images",
            percent(ends["mean_class_accuracy"][0], 1) + " to " + percent(ends["mean_class_accuracy"][1], 1),
            f"mean class accuracy; macro F1 {percent(ends['macro_f1'][0], 1)} to "
            f"{percent(ends['macro_f1'][1], 1)}",
        ),
    ]


def claim(result: dict) -> str:
    """Shows the paper's number for this network and set, marked as a claim; empty if it gives none."""
    claimed = CLAIMS.get((result["model"], result["dataset"]))
    if claimed is None:
        return ""
    note = f": {claimed.note}" if claimed.note else ""
    return (
        f'<div class="panel notice claim"><b>Claimed by {escape(claimed.source)}: '
        f"{percent(claimed.accuracy)}</b>"
        f"<p>A claim, not measured here and not a target{escape(note)}.</p></div>"
    )


def overlap(result: dict, name: str = "") -> str:
    """Warns if the (named) run was trained on test images; empty if it was not."""
    text = wording.overlap(result.get("overlap"))
    if not text:
        return ""
    title = f"{name}: its scores are too good." if name else "These scores are too good."
    return (
        f'<div class="panel notice" role="alert"><b>{escape(title)}</b><p>{escape(text.capitalize())}. '
        "<code>ferjax audit</code> lists them.</p></div>"
    )


def best_on_test(result: dict) -> str:
    """Tells what choosing on test would have given; empty if the run did not ask."""
    text = wording.best_on_test(result)
    return f'<p class="muted">{escape(text)}</p>' if text else ""


def unfinished_cards(run: Run) -> str:
    """Makes the summary of an unfinished run: the best validation scores so far."""
    last = max((row["step"] for row in run.rows), default=None)
    shown = []
    for name, title in (("accuracy", "Validation accuracy"), ("loss", "Validation loss")):
        at = dict(zip(*series(run.rows, "validation", name), strict=True))
        if run.best_step in at:
            value = percent(at[run.best_step]) if name == "accuracy" else number(at[run.best_step], 4)
            shown.append((title, value, f"at step {number(run.best_step)}, the best so far"))
    return cards(*shown, ("Last step", number(last), "training has not ended"))


def curves(run: Run) -> str:
    """Makes the part with the curves of a run."""
    drawn = [
        figures.inline_svg(
            curve_plots.curve(run.rows, name, run.best_step), f"curve-{name}", f"{name} against the step"
        )
        for name in curve_plots.curve_names(run.rows)
    ]
    if not drawn:
        return '<h2>Curves</h2><p class="muted">No metric has been written yet.</p>'
    panels = "".join(f'<div class="panel">{figure}</div>' for figure in drawn)
    return f"""<h2>Curves</h2>
<p class="muted">The dashed line is the best step. Where a band is drawn, it holds every value and the line is
their mean over neighbouring steps.</p>
<div class="curves">{panels}</div>"""


def mistakes(test: dict, label_names: list[str]) -> str:
    """Lists the most frequent confusions, as shares of the actual class."""
    counts = np.array(test["confusion_matrix"])
    items = []
    for row, column in most_confused(counts, _WORST_SHOWN):
        actual, predicted = escape(label_names[row]), escape(label_names[column])
        share = counts[row, column] / counts[row].sum()
        note = f"{counts[row, column]:,} of {counts[row].sum():,} images"
        items.append(
            f"<li><b>{percent(share, 0)}</b> of {actual} is taken for <b>{predicted}</b>"
            f'<span class="note">{note}</span></li>'
        )
    if not items:
        return "<p>No test image was classified wrongly.</p>"
    return f'<ul class="mistakes">{"".join(items)}</ul>'


def class_table(test: dict, probabilities: dict | None = None) -> str:
    """Makes the per-class table, in percent, with ROC-AUC and average precision if they are known."""
    names = ["class", "precision", "recall", "F1", *(("ROC-AUC", "AP") if probabilities else ()), "support"]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = tables.html_rows(test, probabilities)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def method(result: dict) -> str:
    """Explains how the number was made, with its versions and split digests."""
    images = sum(row["support"] for row in result["test"]["per_class"])
    absent = [row["name"] for row in result["test"]["per_class"] if not row["support"]]
    left_out = (
        f" Means over classes leave out {', '.join(absent)}: the test split has no such image."
        if absent
        else ""
    )
    text = (
        f"The network trained for {number(result['steps'])} steps with seed {result['seed']}. "
        f"Best step chosen on validation; test read once: step {number(result['best_step'])} was chosen on "
        f"the validation split alone, and only then were the {images:,} test images read, a single time, "
        "with the parameters of that step. Accuracy, recall and F1 all come from one confusion matrix over "
        f"those images, never from means of batches.{left_out} The interval tells how far the number may "
        "move on another test set of this size; it does not tell how far it moves with another seed."
    )
    facts = {
        "test read": result["date"],
        "test loss": number(result["test"]["loss"], 4),
        "validation loss": number(result["validation"]["loss"], 4),
        "versions": _versions(result, result["versions"]),
        **_relabelled(result.get("relabel")),
        **{f"{split} split": digest for split, digest in result["split_digests"].items()},
    }
    return (
        f'<div class="split"><div class="panel"><p>{escape(text)}</p></div>'
        f'<div class="panel">{_facts(facts)}</div></div>'
    )


def _relabelled(kept: dict | None) -> dict[str, str]:
    """Tells which labels were replaced by those of a file, if any."""
    if not kept:
        return {}
    counts = ", ".join(f"{count:,} of {split}" for split, count in kept["replaced"].items())
    return {"replaced labels": f"{counts}; by {kept['file']}, SHA-256 {kept['digest']}"}


def _versions(result: dict, names: Iterable[str]) -> str:
    known = result["versions"]
    return ", ".join(f"{name} {known[name]}" for name in names if known.get(name))


def config_tree(config: dict) -> str:
    """Shows the config as a tree that folds: one `<details>` a group."""
    return f'<details class="tree"><summary>All settings</summary>{_branch(config)}</details>'


def _branch(group: dict) -> str:
    leaves = {name: value for name, value in group.items() if not isinstance(value, dict)}
    branches = [
        f"<details open><summary>{escape(str(name))}</summary>{_branch(value)}</details>"
        for name, value in group.items()
        if isinstance(value, dict)
    ]
    return (_facts(leaves) if leaves else "") + "".join(branches)


def _facts(values: dict) -> str:
    rows = [f"<dt>{escape(str(name))}</dt><dd>{escape(_leaf(value))}</dd>" for name, value in values.items()]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _leaf(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return "none" if value is None else "empty"
    return ", ".join(map(_leaf, value)) if isinstance(value, list) else str(value)
