"""Writes the leaderboard: one offline page, its pictures, and the table as Markdown, LaTeX and CSV."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from ferjax.files import file_name, user_path
from ferjax.leaderboard import plots
from ferjax.leaderboard.columns import TITLES, Column, columns
from ferjax.leaderboard.entries import Entry, Group, Read
from ferjax.leaderboard.exports import NOTE, title, to_csv, to_latex, to_markdown
from ferjax.leaderboard.pareto import fronts
from ferjax.leaderboard.script import SCRIPT
from ferjax.platform import outputs
from ferjax.report.document import cards, document
from ferjax.report.figures import inline_svg
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.wording import count_of, duration, percent

VERB = "leaderboard"
_FILES = ("index.html", "leaderboard.md", "leaderboard.tex", "leaderboard.csv")


def write(read: Read, folder: Path | str, by: str = "accuracy") -> Path:
    """Writes the page and the exports.

    Args:
        read: see `ferjax.leaderboard.entries.read_groups`.
        folder: where to.
        by: the score that ranks.

    Returns:
        The page's path.

    Raises:
        UserError: a file there is not the leaderboard's, or the place cannot be written.
    """
    folder = user_path(folder)
    pictures = _pictures(read.groups, by)
    page, text, latex, table = (folder / name for name in _FILES)
    outputs.check(VERB, page, text, latex, table, *picture_files(folder, pictures))
    write_pictures(VERB, folder, pictures)
    outputs.write(VERB, text, to_markdown(read.groups, read.left_out, by).encode())
    outputs.write(VERB, latex, to_latex(read.groups, by).encode())
    outputs.write(VERB, table, to_csv(read.groups, by).encode())
    outputs.write(VERB, page, _html(read, pictures, by).encode())
    return page


def check_place(folder: Path | str) -> None:
    """Raises UserError, before any run is read, if the page and the exports cannot be written there."""
    outputs.check(VERB, *(user_path(folder) / name for name in _FILES))


def _pictures(groups: Sequence[Group], by: str) -> dict[str, Figure]:
    pictures: dict[str, Figure] = {}
    for group, name in zip(groups, _names(groups), strict=True):
        pictures[f"{name}-scores"] = plots.scores(group.entries)
        front = plots.pareto(group.entries, by)
        if front is not None:
            pictures[f"{name}-pareto"] = front
    return pictures


def _names(groups: Sequence[Group]) -> list[str]:
    """Names each group for its files: its data set, and its digest where that alone does not tell."""
    sets = [file_name(group.dataset) for group in groups]
    return [
        name if sets.count(name) == 1 else f"{name}-{group.digest[:8]}"
        for name, group in zip(sets, groups, strict=True)
    ]


def _html(read: Read, pictures: Mapping[str, Figure], by: str) -> str:
    sections = [
        _section(group, name, number, pictures, by)
        for number, (group, name) in enumerate(zip(read.groups, _names(read.groups), strict=True))
    ]
    several = (
        '<p class="muted wide">Runs of several data sets, or of several test splits of one, stand in tables '
        "of their own: their scores are not of the same images.</p>"
        if len(read.groups) > 1
        else ""
    )
    body = f"""{_cards(read, by)}
{_seen(read.groups)}{several}
{"".join(sections)}
{_left_out(read.left_out)}"""
    runs = sum(len(entry.seeds) for group in read.groups for entry in group.entries)
    return document(
        "Leaderboard",
        "ferjax leaderboard",
        escape(f"{count_of(runs, 'finished run')}, ranked by {TITLES[by]} on test"),
        body,
        "Written from the files of the runs by <code>ferjax leaderboard</code>. The tables are beside this "
        "page in <code>leaderboard.md</code>, <code>leaderboard.tex</code> and <code>leaderboard.csv</code>, "
        "the pictures as PNG and SVG.",
        SCRIPT,
    )


def _cards(read: Read, by: str) -> str:
    entries = [entry for group in read.groups for entry in group.entries]
    runs = sum(len(entry.seeds) for entry in entries)
    seconds = sum(entry.seconds * len(entry.seeds) for entry in entries)
    best = [(group, group.entries[0]) for group in read.groups]
    shown = [
        (f"Best on {group.dataset}", percent(entry.scores[by].mean), f"{TITLES[by]} of {entry.name}")
        for group, entry in best[:1]
    ]
    left_out = f"{len(read.left_out):,} left out" if read.left_out else "none left out"
    return cards(
        *shown,
        ("Recipes", str(len(entries)), f"of {count_of(runs, 'run')}, {left_out}"),
        ("Test splits", str(len(read.groups)), "each has a table of its own"),
        ("Training", duration(seconds), "of all ranked runs together"),
    )


def _seen(groups: Iterable[Group]) -> str:
    """Warns of runs that were trained on test images; empty if none was."""
    named = [entry.name for group in groups for entry in group.entries if entry.overlap]
    if not named:
        return ""
    return (
        '<div class="panel notice" role="alert"><b>Some of these scores are too good.</b><p>'
        f"{escape(', '.join(named))}: test images were among those that the weights were trained or chosen "
        "on. The column “test images seen” counts them; <code>ferjax audit</code> lists them.</p></div>"
    )


def _section(group: Group, name: str, number: int, pictures: Mapping[str, Figure], by: str) -> str:
    entries = group.entries
    more = len(entries) - plots.MOST_DOTS
    cut = f" The picture has the first {plots.MOST_DOTS}." if more > 0 else ""
    scores = inline_svg(pictures[f"{name}-scores"], f"scores-{number}", "Scores; the table has the numbers")
    front = ""
    if f"{name}-pareto" in pictures:
        drawn = inline_svg(
            pictures[f"{name}-pareto"], f"pareto-{number}", "Score against cost; the table has the numbers"
        )
        front = f"""<h3 class="wide">What the score costs</h3>
<p class="muted">Filled dots are on the Pareto front: no other entry has as good a score for as little.
Time and memory are compared among entries of one device alone. Costs are those of training, as the runs
recorded them.</p>
<div class="panel scroll wide full">{drawn}</div>"""
    return f"""<section class="board"><h2>{escape(title(group))}</h2>
<p class="muted">{NOTE}{cut}</p>
<div class="panel scroll wide full">{scores}</div>
{_filters(entries)}
<div class="panel scroll wide">{_table(entries, by)}</div>
{front}</section>"""


def _filters(entries: Sequence[Entry]) -> str:
    """Makes the form that filters rows; it is shown by the script that it needs."""
    return f"""<form class="filters" hidden>
<label>Filter <input name="words" type="search" placeholder="words in a row"></label>
<label>Network {_select("network", (entry.model for entry in entries))}</label>
<label>Device {_select("device", (entry.device for entry in entries))}</label>
<label><input name="several" type="checkbox"> several seeds</label>
<label><input name="front" type="checkbox"> on a Pareto front</label>
<output name="count">{len(entries)} of {len(entries)}</output>
</form>"""


def _select(name: str, values: Iterable[str]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(value)}</option>' for value in sorted(set(values))
    )
    return f'<select name="{name}"><option value="">all</option>{options}</select>'


def _table(entries: Sequence[Entry], by: str) -> str:
    shown, on = columns(entries, by), fronts(entries, by)
    head = "".join(_head(column, entries[0]) for column in shown)
    rows = []
    for entry in entries:
        name, *cells = (_cell(column, entry) for column in shown)
        rows.append(
            f'<tr data-network="{escape(entry.model)}" data-device="{escape(entry.device)}" '
            f'data-runs="{len(entry.seeds)}" data-front="{"yes" if on[entry.name] else "no"}">'
            f'<th scope="row"{name}</th>{"".join(f"<td{cell}</td>" for cell in cells)}</tr>'
        )
    return (
        f'<table class="plain sortable"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _head(column: Column, entry: Entry) -> str:
    """Makes the head of a column, a button that sorts; the script makes it one that can be pressed."""
    # The first press sorts numbers by the largest, as scores want, but ranks and texts by the smallest.
    first = "descending" if isinstance(column.value(entry), str) or column.title == "rank" else "ascending"
    current = ' aria-sort="ascending"' if column.title == "rank" else ""
    return (
        f'<th scope="col" data-first="{first}"{current}>'
        f'<button type="button" disabled>{escape(column.title)}</button></th>'
    )


def _cell(column: Column, entry: Entry) -> str:
    """Makes the inside of a cell, from its attributes on."""
    return f' data-value="{_value(column.value(entry))}">{escape(column.text(entry))}'


def _value(value: float | str | None) -> str:
    return "" if value is None else escape(value) if isinstance(value, str) else f"{value:.10g}"


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return ""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in left_out.items())
    return f'<h2>Left out</h2><div class="panel"><ul class="mistakes">{items}</ul></div>'
