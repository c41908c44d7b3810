"""Divides examples, stratified by class and with groups (a person, a source image) kept whole."""

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.data.split_index import Key
from ferjax.errors import UserError

# Beside the classes, the plain number of examples counts a little: it decides where they are even.
_SIZE_WEIGHT = 0.01


def carve(
    labels: np.ndarray, fraction: float, groups: Key | None = None, seed: str = "carve"
) -> tuple[np.ndarray, np.ndarray]:
    """Divides a training split into training and validation (or test), stratified by label.

    Without groups every class gives `round(fraction · n)` of its n examples to validation, at least one
    if it has two. With groups no group is on both sides, and the classes' parts come as near to
    `fraction` as whole groups allow; if there are two groups, no side is empty. The same arguments give
    the same division everywhere.

    >>> train, validation = carve(np.array([0] * 10 + [1] * 20), 0.1)
    >>> len(train), len(validation)
    (27, 3)

    Args:
        labels: int [N].
        fraction: the part that goes to validation, 0 ≤ fraction < 1.
        groups: the group of each example; those without one stand for themselves, and if none has one
            it is as without groups.
        seed: names the draw; validation and test have one each.

    Returns:
        (train, validation): sorted int64 indices that together are 0 … N − 1.

    Raises:
        UserError: `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        field = "val_fraction" if seed == "carve" else "test_fraction"
        raise UserError(f"{field} is {fraction}; it must be at least 0 and less than 1")
    held_out = np.zeros(len(labels), bool)
    if fraction > 0 and groups is not None and groups.names:
        held_out = deal(labels, group_numbers(groups), (1 - fraction, fraction), seed) == 1
    elif fraction > 0:
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            count = max(round(fraction * len(members)), min(1, len(members) - 1))
            # The seed of a run plays no part: runs that differ in theirs still share one validation set.
            order = Draws(seed, int(label)).order(len(members))
            held_out[members[order[:count]]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def subset(labels: np.ndarray, fraction: float) -> np.ndarray:
    """Takes a part of the examples, stratified by label: `round(fraction · n)` of every class, at least one.

    The same arguments give the same part everywhere. A larger fraction holds all that a smaller one does.

    Args:
        labels: int [N].
        fraction: above 0, at most 1.

    Returns:
        Sorted int64 indices.

    Raises:
        UserError: `fraction` is out of range.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"train_fraction is {fraction}; it must be above 0 and at most 1")
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # The seed is no option: runs that differ in theirs still learn from the same examples.
        order = Draws("train fraction", int(label)).order(len(members))
        taken[members[order[: max(round(fraction * len(members)), 1)]]] = True
    return np.flatnonzero(taken)


def group_numbers(groups: Key) -> np.ndarray:
    """Numbers the groups 0 … G − 1, each example without a group being one of its own: int64 [N]."""
    alone = groups.codes < 0
    numbers = groups.codes.astype(np.int64)
    numbers[alone] = len(groups.names) + np.arange(alone.sum())
    return np.unique(numbers, return_inverse=True)[1]


def deal(labels: np.ndarray, groups: np.ndarray, shares: tuple[float, ...], seed: str) -> np.ndarray:
    """Deals whole groups into parts whose classes have, as near as can be, the proportions of the whole.

    The largest group comes first, equal ones in a seeded order. Each goes where it raises
    Σ n²(part, class) / (share · n²(class)) least: the sum is smallest where every class is divided as
    the shares say. Groups of one example are divided within one example of that.

    Args:
        labels: int [N].
        groups: int [N], 0 … G − 1.
        shares: of each part, positive.
        seed: names the order of groups of equal size.

    Returns:
        int64 [N], the part of each example. No part is empty where there are as many groups.
    """
    classes, labels = np.unique(labels, return_inverse=True)
    number = groups.max(initial=-1) + 1
    counts = np.zeros((number, len(classes)), np.int64)
    np.add.at(counts, (groups, labels), 1)
    sizes = counts.sum(1)
    weights = 1 / counts.sum(0).astype(np.float64) ** 2
    order = Draws(seed).order(number)
    order = order[np.argsort(-sizes[order], kind="stable")]

    filled = np.zeros((len(classes), len(shares)), np.int64)
    total = np.zeros(len(shares), np.int64)
    part = np.empty(number, np.int64)
    for left, group in zip(range(number, 0, -1), order, strict=True):
        size = sizes[group]
        # Sums are written out: np.sum may add in another order on another machine, and ties would differ.
        cost = _SIZE_WEIGHT / len(labels) ** 2 * (2 * total + size) * size
        for label in np.flatnonzero(counts[group]):
            count = counts[group, label]
            cost = cost + weights[label] * (2 * filled[label] + count) * count
        cost = cost / shares
        if left <= np.sum(total == 0):  # each group that is left is needed to fill an empty part
            cost[total > 0] = np.inf
        chosen = int(np.argmin(cost))
        part[group] = chosen
        filled[:, chosen] += counts[group]
        total[chosen] += size
    return part[groups]
