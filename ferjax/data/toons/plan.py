"""Plans which person and class each image of a split shows, before anything is drawn."""

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.data.toons.table import SPLITS, STYLES

_IDENTITIES_PER_SPLIT = 1_000_000


def identity_of(style: str, split: str, index: int) -> int:
    """Returns the number of the person in an image. No number occurs in two splits."""
    return SPLITS.index(split) * _IDENTITIES_PER_SPLIT + index // STYLES[style].images_per_identity


def class_counts(style: str, split: str, fraction: float = 1.0) -> dict[str, int]:
    """Returns class name → images in a split. A fraction below 1 keeps one of every class that has any."""
    toon = STYLES[style]
    return {
        name: max(1, round(count * fraction)) if count else 0
        for name, count in zip(toon.names, toon.counts[split], strict=True)
    }


def drawn_labels(style: str, split: str, fraction: float = 1.0) -> np.ndarray:
    """Returns the class that each image shows: int64 [N], in the order of the images."""
    counts = list(class_counts(style, split, fraction).values())
    labels = np.repeat(np.arange(len(counts)), counts)
    return labels[Draws("toons", style, split, "labels").order(len(labels))]


def noisy_labels(style: str, labels: np.ndarray, share: float) -> np.ndarray:
    """Replaces the labels of a share of the training images by another class that the style draws.

    Args:
        style: `avataaars` or `open_peeps`.
        labels: int64 [N], as drawn.
        share: of the labels to replace, 0 … 1. Exactly `round(share * N)` change.

    Returns:
        int64 [N].
    """
    draws = Draws("toons", style, "label noise")
    present = [i for i, count in enumerate(STYLES[style].counts["train"]) if count]
    noisy = labels.copy()
    for i in draws.order(len(labels))[: round(share * len(labels))]:
        noisy[i] = draws.pick([label for label in present if label != labels[i]])
    return noisy
