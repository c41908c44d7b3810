"""Writes what a search found as one offline page, as Markdown and as JSON."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ferjax.files import plain, to_json
from ferjax.platform import outputs
from ferjax.report.document import cards, document
from ferjax.report.figures import inline_svg
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import count_of, day, duration, number, percent
from ferjax.tune import plots
from ferjax.tune.record import size, statement

VERB = "tune"
BEST = "best.py"
_FILES = ("tune.json", "tune.md", "index.html")
_PICTURES = {
    "history": "Accuracy on validation by trial",
    "importance": "Importance of each field",
    "parallel": "Trials as lines over the searched fields",
    "curves": "Accuracy after each validation, and where trials were pruned",
}
_SHOWN = 20  # trials in the tables
Table = tuple[list[str], list[list[str]]]


def written_files(folder: Path) -> list[Path]:
    """Lists what `write` writes, and the best config."""
    return [*(folder / name for name in _FILES), folder / BEST, *picture_files(folder, _PICTURES)]


def write(folder: Path, report: Mapping[str, Any]) -> Path:
    """Writes the page, the numbers and the pictures.

    Args:
        folder: where to.
        report: see `ferjax.tune.run.tune`.

    Returns:
        The page's path.
    """
    report = plain(report)
    pictures = _pictures(report)
    write_pictures(VERB, folder, pictures)
    numbers, text, page, *_ = written_files(folder)
    outputs.write(VERB, numbers, to_json(report))
    outputs.write(VERB, text, _markdown(report, pictures).encode())
    outputs.write(VERB, page, _html(report, pictures).encode())
    return page


def _pictures(report: Mapping[str, Any]) -> dict[str, Figure]:
    rows = report["trials"]
    pictures = {"history": plots.history(rows), "parallel": plots.parallel(rows, report["space"])}
    if report["importance"]:
        pictures["importance"] = plots.importance(report["importance"])
    if any(row["validations"] for row in rows):
        pictures["curves"] = plots.curves(rows)
    return pictures


def best_table(report: Mapping[str, Any]) -> Table:
    """Makes head and rows: each searched field, its values of the recipe and of the best trial."""
    best, base = report["best"]["values"], report["best"]["base"]
    rows = [
        [
            row["field"],
            row["words"],
            _value(base[row["field"]]),
            _value(best.get(row["field"])),
            percent(report["importance"].get(row["field"]), 0),
        ]
        for row in report["space"]
    ]
    return ["field", "searched", "recipe", "best", "importance"], rows


def test_table(tested: Mapping[str, Any]) -> Table:
    """Makes head and rows: the winner's scores on test."""
    rows = []
    for name, values in tested["scores"].items():
        row = [name.replace("_", " "), percent(sum(values) / len(values))]
        if summary := tested["summary"]:
            low, high = summary[name]["student"]
            row += [percent(summary[name]["std"]), f"{percent(low)} to {percent(high)}"]
        rows.append([*row, f"{percent(min(values))} to {percent(max(values))}"])
    more = [["std", f"95% (Student, n = {len(tested['seeds'])})"], []][tested["summary"] is None]
    return ["test", "mean", *more, "range"], rows


def trials_table(report: Mapping[str, Any]) -> Table:
    """Makes head and rows: the best trials that ran to their end."""
    whole = [row for row in report["trials"] if row["ended"] == "whole"]
    shown = sorted(whole, key=lambda row: (-row["accuracy"], row["number"]))[:_SHOWN]
    fields = [row["field"] for row in report["space"]]
    rows = [
        [
            str(row["number"]),
            percent(row["accuracy"]),
            *(_value(row["values"].get(field)) for field in fields),
            duration(row["seconds"]),
        ]
        for row in shown
    ]
    return ["trial", "accuracy on validation", *fields, "training"], rows


def ended_table(report: Mapping[str, Any]) -> Table:
    """Makes head and rows: the trials that ended early, and why; none if all ran to their end."""
    fields = [row["field"] for row in report["space"]]
    rows = [
        [
            str(row["number"]),
            row["ended"],
            str(len(row["validations"])),
            percent(row["validations"][-1]) if row["validations"] else "",
            *(_value(row["values"].get(field)) for field in fields),
        ]
        for row in report["trials"]
        if row["ended"] != "whole"
    ]
    return ["trial", "why", "validations", "best accuracy", *fields], rows[:_SHOWN]


def worker_table(report: Mapping[str, Any]) -> Table:
    """Makes head and rows: how long each worker was busy, and how long it waited for others."""
    rows = []
    for worker in report["workers"]:
        busy, idle = worker["busy_seconds"], worker["idle_seconds"]
        share = percent(idle / (busy + idle), 1) if busy + idle else ""
        name = f"{worker['host']} {worker['pid']}"
        rows.append([name, number(worker["tasks"]), duration(busy), duration(idle), share])
    return ["worker", "tasks", "busy", "idle", "idle share"], rows


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _search(report: Mapping[str, Any]) -> str:
    how = report["search"]
    budget = [f"{how['trials']:,} trials"] if how["trials"] is not None else []
    budget += [f"{how['hours']:g} hours of training"] if how["hours"] is not None else []
    folds = f" on each of {how['folds']} inner folds" if how.get("folds") else ""
    return (
        f"Sampler {how['sampler']}, pruner {how['pruner']}, seed {how['seed']}, "
        f"{count_of(how['trial_seeds'], 'seed')}{folds} a trial, at most {' and '.join(budget)}"
    )


def _markdown(report: Mapping[str, Any], pictures: Mapping[str, Figure]) -> str:
    parts = [
        f"# Search: {report['model']} on {report['dataset']}",
        statement(report),
        f"{_search(report)}.",
        markdown(*best_table(report)),
    ]
    if report["tested"]:
        parts.append(markdown(*test_table(report["tested"])))
    parts += [f"![{_PICTURES[name]}]({name}.png)" for name in pictures]
    parts += ["## Best trials", markdown(*trials_table(report))]
    if ended_table(report)[1]:
        parts += ["## Ended early", markdown(*ended_table(report))]
    parts += ["## Workers", markdown(*worker_table(report))]
    return "\n\n".join(parts) + "\n"


def _html(report: Mapping[str, Any], pictures: Mapping[str, Figure]) -> str:
    drawn = {
        name: f'<div class="panel scroll wide full">{inline_svg(figure, name, _PICTURES[name])}</div>'
        for name, figure in pictures.items()
    }
    ended = ended_table(report)
    early = sum(row["ended"] != "whole" for row in report["trials"])
    body = [
        _cards(report),
        f'<div class="panel notice"><p>{escape(statement(report))}</p></div>',
        f'<h2>The best config</h2><p class="muted">In <code>{BEST}</code>, which <code>--config</code> '
        f"takes. {escape(_search(report))}.</p>",
        f'<div class="panel scroll wide">{html_table(*best_table(report))}</div>',
    ]
    if report["tested"]:
        body.append(
            "<h2>The winner on test</h2>"
            f'<div class="panel scroll wide">{html_table(*test_table(report["tested"]))}</div>'
        )
    body += ["<h2>History</h2>", drawn["history"]]
    if "importance" in drawn:
        body += [
            '<h2>Which fields matter</h2><p class="muted">PED-ANOVA: how much the best trials\' values '
            "differ from those of all. It says where to look, not that a value is best.</p>",
            drawn["importance"],
        ]
    gaps = '<p class="muted">A line is dotted across a field that its trial did not search.</p>'
    conditional = any(
        row["values"].keys() < {one["field"] for one in report["space"]} for row in report["trials"]
    )
    body += ["<h2>All fields together</h2>", gaps * conditional, drawn["parallel"]]
    if "curves" in drawn:
        body += ["<h2>What was pruned</h2>", drawn["curves"]]
    if early:
        body += [
            f'<p class="muted">{count_of(early, "trial")} ended early'
            f"{f'; the first {_SHOWN} are shown' if early > _SHOWN else ''}.</p>",
            f'<div class="panel scroll wide">{html_table(*ended)}</div>',
        ]
    body += [
        f'<h2>The best trials</h2><div class="panel scroll wide">{html_table(*trials_table(report))}</div>',
        '<h2>Workers</h2><p class="muted">Busy is training; idle is waiting for the last trials or seeds of '
        "others. What a worker that was killed had not recorded is missing.</p>"
        f'<div class="panel scroll wide">{html_table(*worker_table(report))}</div>',
    ]
    return document(
        f"Search: {report['model']} on {report['dataset']}",
        "ferjax tune",
        escape(f"{size(report['trials'])}, {day(report['date'])}"),
        "\n".join(body),
        "All trials are in <code>tune.json</code>, the tables in <code>tune.md</code>, the pictures beside "
        "this page as PNG and SVG.",
    )


def _cards(report: Mapping[str, Any]) -> str:
    entries = []
    if tested := report["tested"]:
        accuracies = tested["scores"]["accuracy"]
        note = count_of(len(accuracies), "seed")
        if tested["summary"]:
            low, high = tested["summary"]["accuracy"]["student"]
            note += f", 95%: {percent(low, 1)} to {percent(high, 1)}"
        entries.append(("Test accuracy", percent(sum(accuracies) / len(accuracies)), note))
    rows = report["trials"]
    whole = sum(row["ended"] == "whole" for row in rows)
    entries += [
        ("Best on validation", percent(report["best"]["accuracy"]), f"trial {report['best']['number']}"),
        ("Trials", number(len(rows)), f"{whole:,} to the end, {len(rows) - whole:,} ended early"),
        ("Training", duration(sum(row["seconds"] or 0 for row in rows)), "of all trials"),
    ]
    return cards(*entries)
