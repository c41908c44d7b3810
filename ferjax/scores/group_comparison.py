"""Compares two networks on the same examples by group of people or pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.scores.confusion import stacked_scores
from ferjax.scores.group_gaps import SCORES, difference_interval
from ferjax.scores.groups import SMALLEST, Attribute, confusions, pooled
from ferjax.scores.significance import holm, mcnemar


def compare(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    attributes: Mapping[str, Attribute],
    smallest: int = SMALLEST,
) -> dict[str, dict[str, Any]]:
    """Compares two networks on the same examples, group by group.

    Args:
        labels: int `[N]`.
        first: int `[N]`, the classes that the first network predicts.
        second: int `[N]`, those that the second predicts.
        classes: K.
        attributes: name → a value for each example.
        smallest: examples that a group needs to be compared.

    Returns:
        Attribute → `groups` and `closes`. A group has `name`, `images`, `small`, `first` and `second` (the
        `SCORES` of each), `difference` of the accuracies (second − first) with its `interval` (bootstrap,
        paired), and `p`: McNemar's exact test, corrected by Holm's method for all groups of all attributes;
        None for small groups. `closes` tells of the two groups between which the first network's accuracy has
        the largest gap: `high`, `low`, the gap of the `first` and of the `second` network, and by how much it
        closes, `difference` with its `interval`; None for fewer than two groups.
    """
    compared: dict[str, dict[str, Any]] = {}
    for name, attribute in attributes.items():
        groups = pooled(attribute, smallest)
        before, after = (
            stacked_scores(confusions(labels, each, groups, classes)) for each in (first, second)
        )
        rows = []
        for place, (title, small) in enumerate(zip(groups.names, groups.small, strict=True)):
            members = groups.codes == place
            test = mcnemar((first == labels)[members], (second == labels)[members])
            rows.append(
                {
                    "name": title,
                    "images": test.n,
                    "small": small,
                    "first": {score: float(before[score][place]) for score in SCORES},
                    "second": {score: float(after[score][place]) for score in SCORES},
                    "difference": test.difference,
                    "interval": list(test.bootstrap),
                    "p": None if small else test.p,
                }
            )
        compared[name] = {"groups": rows, "closes": _closes([row for row in rows if not row["small"]])}
    tested = [row for each in compared.values() for row in each["groups"] if not row["small"]]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p"] = p
    return compared


def _closes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Tells by how much the first network's largest gap of the accuracy is smaller with the second."""
    if len(rows) < 2:
        return None
    high = max(rows, key=lambda row: row["first"]["accuracy"])
    low = min(rows, key=lambda row: row["first"]["accuracy"])
    ends = difference_interval(low["difference"], low["interval"], high["difference"], high["interval"])
    return {
        "high": high["name"],
        "low": low["name"],
        **{which: high[which]["accuracy"] - low[which]["accuracy"] for which in ("first", "second")},
        "difference": low["difference"] - high["difference"],
        "interval": list(ends),
    }
