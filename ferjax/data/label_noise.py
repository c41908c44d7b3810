"""Labels that are made wrong on purpose, to measure what a method against wrong labels gives."""

import numpy as np

from ferjax.data.seeded import Draws


def with_wrong_labels(labels: np.ndarray, classes: int, fraction: float, seed: int) -> np.ndarray:
    """Gives a part of the examples another class, each other one equally likely (symmetric noise).

    Args:
        labels: int [N].
        classes: K ≥ 2.
        fraction: of the examples, 0 ≤ f ≤ 1; exactly round(f · N) labels are changed.
        seed: which ones, and to what.

    Returns:
        int32 [N]. A larger fraction with the same seed changes the same examples and more.
    """
    draws, wrong = Draws("label noise", seed), labels.astype(np.int32)
    chosen = draws.order(len(labels))[: round(fraction * len(labels))]
    shifts = 1 + draws.below_each(np.full(len(labels), classes - 1))
    wrong[chosen] = (wrong[chosen] + shifts[: len(chosen)]) % classes
    return wrong
