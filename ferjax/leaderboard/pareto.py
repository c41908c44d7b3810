"""The Pareto front of a group: entries that no other one beats in score and cost at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ferjax.leaderboard.entries import Entry


class Cost(NamedTuple):
    """A cost of an entry.

    Attributes:
        name: plain words, for tables and pictures.
        of: reads it from an entry; None where it is not known.
        depends_on_device: whether it can be compared only on one device.
    """

    name: str
    of: Callable[[Entry], float | None]
    depends_on_device: bool


COSTS = {
    "seconds": Cost("time", lambda entry: entry.seconds, True),
    "memory": Cost("memory", lambda entry: entry.memory, True),
    "parameters": Cost("parameters", lambda entry: entry.parameters, False),
    "operations": Cost("operations", lambda entry: entry.operations, False),
}


def front(entries: Sequence[Entry], by: str, cost: str) -> set[str]:
    """Returns the names of the entries on the front of a score against a cost.

    An entry is on it unless another one has at least the score for at most the cost, and is better in one of
    the two. A cost that depends on the device is compared only among entries of the same device.

    Args:
        entries: of one group.
        by: the score, higher is better.
        cost: a key of `COSTS`, lower is better; entries that do not know it are on no front.
    """
    of, per_device = COSTS[cost].of, COSTS[cost].depends_on_device
    points = [(entry, entry.scores[by].mean, value) for entry in entries if (value := of(entry)) is not None]
    return {
        entry.name
        for entry, score, value in points
        if not any(
            other_score >= score
            and other_value <= value
            and (other_score > score or other_value < value)
            and (not per_device or other.device == entry.device)
            for other, other_score, other_value in points
        )
    }


def fronts(entries: Sequence[Entry], by: str) -> dict[str, list[str]]:
    """Returns for each entry's name the costs (keys of `COSTS`) on whose front it is."""
    on = {cost: front(entries, by, cost) for cost in COSTS}
    return {entry.name: [cost for cost in COSTS if entry.name in on[cost]] for entry in entries}
