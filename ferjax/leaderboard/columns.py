"""The columns of the leaderboard's table: what an entry shows, and by what it is sorted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ferjax.experiments.repeat import SCORES
from ferjax.leaderboard.entries import Entry, Score
from ferjax.leaderboard.pareto import COSTS, fronts
from ferjax.report.wording import duration, memory, number, percent


class Column(NamedTuple):
    """A column.

    Attributes:
        title: of the table's head.
        text: a cell.
        value: what it is sorted by; None sorts last.
    """

    title: str
    text: Callable[[Entry], str]
    value: Callable[[Entry], float | str | None]


TITLES = {"accuracy": "accuracy", "mean_class_accuracy": "mean class", "macro_f1": "macro F1"}


def columns(entries: Sequence[Entry], by: str) -> list[Column]:
    """Returns the columns of a group; those that would be empty, or the same in all rows, are left out.

    Args:
        entries: of one group.
        by: the score that ranks them; its column comes first and has the interval beside it.
    """
    on = fronts(entries, by)
    ranks = {entry.name: rank for rank, entry in enumerate(entries, start=1)}
    found = [
        Column("recipe", lambda entry: entry.name, lambda entry: entry.name),
        Column("rank", lambda entry: str(ranks[entry.name]), lambda entry: ranks[entry.name]),
    ]
    if any(entry.model != entry.name for entry in entries):
        found.append(Column("network", lambda entry: entry.model, lambda entry: entry.model))
    found.append(Column("seeds", lambda entry: str(len(entry.seeds)), lambda entry: len(entry.seeds)))
    found += [_score(by), Column("95%", lambda entry: _interval(entry, by), lambda entry: _width(entry, by))]
    found += [_score(name) for name in SCORES if name != by]
    found.append(Column("time", lambda entry: duration(entry.seconds), lambda entry: entry.seconds))
    if any(entry.memory is not None for entry in entries):
        found.append(Column("memory", lambda entry: memory(entry.memory), lambda entry: entry.memory))
    if any(entry.parameters is not None for entry in entries):
        found.append(
            Column("parameters", lambda entry: number(entry.parameters), lambda entry: entry.parameters)
        )
    if any(entry.operations is not None for entry in entries):
        found.append(
            Column("operations", lambda entry: gigaflop(entry.operations), lambda entry: entry.operations)
        )
    found.append(
        Column(
            "on the front",
            lambda entry: ", ".join(COSTS[cost].name for cost in on[entry.name]) or "–",
            lambda entry: len(on[entry.name]),
        )
    )
    if any(entry.overlap for entry in entries):
        found.append(
            Column("test images seen", lambda entry: number(entry.overlap), lambda entry: entry.overlap)
        )
    if any(entry.details for entry in entries):
        found.append(Column("differs in", lambda entry: entry.details or "–", lambda entry: entry.details))
    if len({entry.device for entry in entries}) > 1:
        found.append(Column("device", lambda entry: entry.device, lambda entry: entry.device))
    return found


def table(entries: Sequence[Entry], by: str) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows of plain text."""
    shown = columns(entries, by)
    return [column.title for column in shown], [[column.text(entry) for column in shown] for entry in entries]


def gigaflop(operations: float | None) -> str:
    """Formats operations as thousands of millions: 1.23e9 → "1.23 G"."""
    return number(None) if operations is None else f"{operations / 1e9:.3g} G"


def _score(name: str) -> Column:
    def mean(entry: Entry) -> float:
        return entry.scores[name].mean

    return Column(TITLES[name], lambda entry: percent(mean(entry)), mean)


def _interval(entry: Entry, by: str) -> str:
    score = entry.scores[by]
    return f"{percent(max(score.low, 0), 1)} to {percent(min(score.high, 1), 1)}"


def _width(entry: Entry, by: str) -> float:
    score: Score = entry.scores[by]
    return score.high - score.low
