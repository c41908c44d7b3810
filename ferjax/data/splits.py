"""A validation split for the sets that come without one, carved out of train."""

import numpy as np

from ferjax.data.builders.seeded import Draws
from ferjax.errors import UserError


def carve(labels: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Divides a training split into training and validation, stratified by label.

    Every class gives `round(fraction · n)` of its n examples to validation, at least one if it
    has two. The same labels and fraction give the same division everywhere.

    Args:
        labels: int [N].
        fraction: the part that goes to validation, 0 ≤ fraction < 1.

    Returns:
        (train, validation): sorted int64 indices that together are 0 … N − 1.

    Raises:
        UserError: `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"val_fraction is {fraction}; it must be at least 0 and less than 1")
    held_out = np.zeros(len(labels), bool)
    if fraction > 0:
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            count = max(round(fraction * len(members)), min(1, len(members) - 1))
            # The seed is no option: runs that differ in theirs still share one validation set.
            order = Draws("carve", int(label)).order(len(members))
            held_out[members[order[:count]]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
