"""One HTML page that tells a run: offline, self-contained, light and dark."""

from html import escape
from pathlib import Path

from ferjax.json_files import write_atomic
from ferjax.report import plots, sections
from ferjax.report.document import document
from ferjax.report.run import Run, read_run


def write_page(workdir: Path | str) -> Path:
    """Writes `report/index.html` of a workdir, and its pictures beside it.

    It reads `config.json`, `metrics.jsonl` and `result.json` and nothing else. The page refers to no
    other file; `curves.png`, `curves.svg`, `confusion.png` and `confusion.svg` are for papers and slides.
    Without `result.json` the page shows the curves and says that the run is unfinished.

    Args:
        workdir: the directory of a run, finished or not.

    Returns:
        The path of the page.

    Raises:
        UserError: if it is not a workdir or a file in it is corrupt.
    """
    run = read_run(workdir)
    folder = run.workdir / "report"
    pictures = {}
    if plots.curve_names(run.rows):
        pictures["curves"] = plots.curves(run.rows, run.best_step)
    if run.result is not None:
        pictures["confusion"] = _confusion(run.result)
    for name, figure in pictures.items():
        write_atomic(folder / f"{name}.png", plots.png(figure))
        write_atomic(folder / f"{name}.svg", plots.svg(figure))
    page = folder / "index.html"
    write_atomic(page, _html(run).encode())
    return page


def _html(run: Run) -> str:
    title = _title(run)
    body = _unfinished(run) if run.result is None else _finished(run, run.result)
    config = f'<h2>Config</h2>\n<div class="panel">{sections.config_tree(run.config)}</div>'
    return document(
        title,
        "ferjax report",
        f"Run <code>{escape(run.workdir.resolve().name)}</code>",
        f"{body}\n{config}",
        "Written from the files of the run by <code>ferjax report</code>.",
    )


def _title(run: Run) -> str:
    if run.result is not None:
        return f"{run.result['model']} on {run.result['dataset']}"
    names = [run.config.get(group) for group in ("model", "data")]
    return (
        " on ".join(str(name["name"]) for name in names if isinstance(name, dict) and "name" in name)
        or "A run"
    )


def _finished(run: Run, result: dict) -> str:
    test, labels = result["test"], result["label_names"]
    matrix = plots.inline_svg(
        _confusion(result), "confusion", "Confusion matrix; the table below has each class"
    )
    return f"""{sections.result_cards(result)}
{_curves(run)}
<h2>Where it is right and wrong</h2>
<p class="muted">Rows are the actual classes of the test split, columns what the network said.</p>
<div class="split">
<div class="panel scroll matrix">{matrix}</div>
<div class="panel"><h3>Most frequent confusions</h3>{sections.mistakes(test, labels)}</div>
</div>
<h2>Class by class</h2>
<p class="muted">In percent of the test split.</p>
<div class="panel scroll">{sections.class_table(test)}</div>
<h2>How this number was made</h2>
{sections.method(result)}"""


def _unfinished(run: Run) -> str:
    return f"""<div class="panel notice" role="status"><b>This run is unfinished.</b>
<p>It has no test result yet: the test split is read once, after training. Start the same command again to
go on, then write this page again.</p></div>
{sections.unfinished_cards(run)}
{_curves(run)}"""


def _curves(run: Run) -> str:
    figures = [
        plots.inline_svg(
            plots.curve(run.rows, name, run.best_step), f"curve-{name}", f"{name} against the step"
        )
        for name in plots.curve_names(run.rows)
    ]
    if not figures:
        return '<h2>Curves</h2><p class="muted">No metric has been written yet.</p>'
    panels = "".join(f'<div class="panel">{figure}</div>' for figure in figures)
    return f"""<h2>Curves</h2>
<p class="muted">The dashed line is the best step. Where a band is drawn, it holds every value and the line is
their mean over neighbouring steps.</p>
<div class="curves">{panels}</div>"""


def _confusion(result: dict) -> plots.Figure:
    return plots.confusion(result["test"]["confusion_matrix"], result["label_names"])
