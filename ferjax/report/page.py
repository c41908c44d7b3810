"""Writes the HTML page of a run, offline, self-contained, light and dark, and the same in Markdown."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ferjax.platform import outputs
from ferjax.report import (
    affect_plots,
    affect_tables,
    class_plots,
    confusion_plot,
    curve_plots,
    figures,
    groups,
    mistakes,
    refusal,
    sections,
)
from ferjax.report.document import document
from ferjax.report.group_plot import group_dots
from ferjax.report.markdown import run_markdown
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.pretraining_page import write_pretraining
from ferjax.report.run import Run, read_run
from ferjax.runs.predictions import Predictions
from ferjax.scores import calibration
from ferjax.scores.calibration import Reliability

VERB = "report"
# Writing so few pages takes less time than starting another process.
_IN_THIS_PROCESS = 3


def write_pages(runs: Sequence[Run]) -> list[Path]:
    """Writes the page of each run, several at once if there are many; returns their paths."""
    if len(runs) <= _IN_THIS_PROCESS:
        return [write_page(run) for run in runs]
    workers = min(len(runs), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(write_page, [run.workdir for run in runs]))


def write_page(workdir: Path | str | Run, folder: Path | None = None, photographs: bool = True) -> Path:
    """Writes `report/index.html` of a workdir, and its pictures beside it.

    It reads `config.json`, `metrics.jsonl`, `result.json` and the predictions, and the test images if they
    are on this machine. The page refers to no other file; the PNG and SVG files beside it are for papers and
    slides, `report.md` is for notes and pull requests. Without `result.json` the page shows the curves and
    says that the run is unfinished.

    Args:
        workdir: the folder of a run, finished or not, or the run that was read from it.
        folder: where to write to; `report/` of the workdir if None.
        photographs: whether the page shows pictures of the data set, if they are on this machine.

    Returns:
        The path of the page.

    Raises:
        UserError: it is not a workdir, a file in it is damaged, or the page cannot be written there.
    """
    run = workdir if isinstance(workdir, Run) else read_run(workdir)
    if run.pretrains:
        return write_pretraining(VERB, run)
    folder = folder or run.workdir / "report"
    pictures, by_group = _pictures(run), groups.measured(run.test)
    if by_group and groups.drawable(by_group):
        pictures["groups"] = group_dots(by_group)
    page, text = folder / "index.html", folder / "report.md"
    outputs.check(VERB, page, text, *picture_files(folder, pictures))
    write_pictures(VERB, folder, pictures)
    outputs.write(VERB, text, run_markdown(run, tuple(pictures), by_group).encode())
    outputs.write(VERB, page, _html(run, pictures, by_group, photographs).encode())
    return page


def _pictures(run: Run) -> dict[str, Figure]:
    pictures = {}
    if curve_plots.curve_names(run.rows):
        pictures["curves"] = curve_plots.curves(run.rows, run.best_step)
    if run.result is None:
        return pictures
    test, labels = run.result["test"], run.result["label_names"]
    pictures["confusion"] = confusion_plot.confusion(test["confusion_matrix"], labels)
    pictures["confusion_counts"] = confusion_plot.confusion(test["confusion_matrix"], labels, show="counts")
    pictures["confusion_normalised"] = confusion_plot.confusion(
        test["confusion_matrix"], labels, show="shares"
    )
    pictures["classes"] = class_plots.class_bars(test["per_class"])
    if run.test is not None:
        before, after, temperature = _reliability(run.test, run.validation)
        pictures["reliability"] = class_plots.reliability(before, after, temperature)
        pictures["risk_coverage"] = refusal.risk_coverage(run.test)
        if run.test.affect is not None and run.test.actual_affect is not None:
            pictures["affect"] = affect_plots.against(run.test.affect, run.test.actual_affect)
    return pictures


def _reliability(
    test: Predictions, validation: Predictions | None
) -> tuple[Reliability, Reliability | None, float | None]:
    """Computes the reliability of the test split before and after a temperature fitted to validation."""
    before = calibration.reliability(test.labels, test.log_probabilities)
    if validation is None:
        return before, None, None
    temperature = calibration.fit_temperature(validation.labels, validation.log_probabilities)
    scaled = calibration.with_temperature(test.log_probabilities, temperature)
    return before, calibration.reliability(test.labels, scaled), temperature


def _html(
    run: Run, pictures: dict[str, Figure], by_group: Mapping[str, Any] | None, photographs: bool
) -> str:
    if run.result is None:
        body = _unfinished(run)
    else:
        body = _finished(run, run.result, pictures, by_group, photographs)
    config = f'<h2>Config</h2>\n<div class="panel">{sections.config_tree(run.config)}</div>'
    return document(
        run.title,
        "ferjax report",
        f"Run <code>{escape(run.name)}</code>",
        f"{body}\n{config}",
        "Written from the files of the run by <code>ferjax report</code>. The pictures are beside this page "
        "as PNG and SVG, the numbers in <code>report.md</code>.",
    )


def _finished(
    run: Run,
    result: dict,
    pictures: dict[str, Figure],
    by_group: Mapping[str, Any] | None,
    photographs: bool,
) -> str:
    test, labels = result["test"], result["label_names"]
    matrix = figures.inline_svg(
        pictures["confusion"], "confusion", "Confusion matrix; the table below has each class"
    )
    bars = figures.inline_svg(pictures["classes"], "classes", "The table beside it has the numbers")
    return f"""{sections.result_cards(result)}
{sections.best_on_test(result)}{sections.overlap(result)}{sections.claim(result)}
{sections.curves(run)}
<h2>Where it is right and wrong</h2>
<p class="muted">Rows are the actual classes of the test split, columns the predicted ones: the share of
the row, and below it the number of images.</p>
<div class="split">
<div class="panel scroll matrix">{matrix}</div>
<div class="panel"><h3>Most frequent confusions</h3>{sections.mistakes(test, labels)}</div>
</div>
<h2>Class by class</h2>
<p class="muted">In percent, on the test split.</p>
<div class="panel scroll">{sections.class_table(test, result.get("probabilities"))}</div>
<div class="panel scroll wide">{bars}</div>
{_groups(by_group, labels, pictures)}{_affect(result, pictures)}
{_probabilities(run, result, pictures, photographs)}
<h2>How this number was made</h2>
{sections.method(result)}"""


def _affect(result: dict, pictures: dict[str, Figure]) -> str:
    """Makes the part on valence and arousal; empty if the network has no head for them."""
    scores = result.get("affect")
    if not scores:
        return ""
    drawn = ""
    if "affect" in pictures:
        figure = figures.inline_svg(pictures["affect"], "affect", "Predicted against actual values")
        drawn = f'\n<div class="panel scroll wide">{figure}</div>'
    return f"<h2>{affect_tables.HEADING}</h2>\n{affect_tables.affect_html(scores, result['dataset'])}{drawn}"


def _groups(
    by_group: Mapping[str, Any] | None, label_names: Sequence[str], pictures: dict[str, Figure]
) -> str:
    if by_group is None:
        return ""
    drawn = ""
    if "groups" in pictures:
        drawn = figures.inline_svg(pictures["groups"], "groups", "The tables below have the numbers")
    return groups.section(by_group, label_names, drawn)


def _probabilities(run: Run, result: dict, pictures: dict[str, Figure], photographs: bool) -> str:
    """Makes the parts that need predictions, if the run kept them: reliability, refusal, worst mistakes."""
    if run.test is None:
        return (
            '<h2>Can its probabilities be believed?</h2>\n<p class="muted">This run kept no predictions. '
            f"<code>python -m ferjax evaluate --workdir={escape(str(run.workdir))}</code> writes them.</p>"
        )
    diagram = figures.inline_svg(pictures["reliability"], "reliability", "Reliability diagram")
    curve = figures.inline_svg(pictures["risk_coverage"], "risk_coverage", "Risk–coverage curve")
    sets = (result.get("probabilities") or {}).get("sets")
    worst, reason = mistakes.worst(run.config if photographs else None, run.test)
    return f"""<h2>Can its probabilities be believed?</h2>
<p class="muted">Test images by the probability of the predicted class. On the dashed line a probability
of 80% is right four times in five; the outlined part is the gap to it. The temperature was fitted on
validation.</p>
<div class="panel scroll wide">{diagram}</div>
<h2>What if it may refuse to answer?</h2>
<p class="muted">Test images are answered in the order of the predicted class's probability, the surest first:
the share of wrong answers against the share of images that is answered.</p>
<div class="panel scroll wide">{curve}</div>
{refusal.sets_table(sets) if sets else ""}
<h2>The worst mistakes</h2>
<p class="muted">The wrong answers with the highest probabilities: the predicted class, and below it the
label's class with its own probability. Some of them may be wrong labels.</p>
{mistakes.gallery(worst, reason)}"""


def _unfinished(run: Run) -> str:
    return f"""<div class="panel notice" role="status"><b>This run is unfinished.</b>
<p>It has no test result yet: the test split is read once, after training. Start the same command again to
go on, then write this page again.</p></div>
{sections.unfinished_cards(run)}
{sections.curves(run)}"""
