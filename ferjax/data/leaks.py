"""Finds leaks: training images whose very pixels also stand in validation or test."""

from pathlib import Path

import numpy as np

from ferjax.data.fingerprints import Fingerprints, fingerprints
from ferjax.data.records import describe
from ferjax.data.split_choice import Choice, choose


def without_leaks(name: str, folder: Path, fold: str, val_fraction: float) -> tuple[np.ndarray, str]:
    """Finds the training examples whose pixels stand in no other split.

    Every stored image is decoded once for this; its fingerprint is kept beside the set.

    Args:
        name: the set's name.
        folder: of the built set.
        fold: see `ferjax.data.split_choice.choose`.
        val_fraction: likewise.

    Returns:
        Sorted int64 indices into the records of "train", and how many were left out, as a sentence.
    """
    official = () if fold else describe(name, folder).splits
    others = [
        split
        for split, exists in (
            ("validation", "validation" in official or val_fraction > 0),
            ("test", "test" in official or bool(fold)),
        )
        if exists
    ]
    train = choose(name, folder, "train", fold, val_fraction)
    indices, prints = _fingerprints_of(train)
    elsewhere = np.zeros(len(indices), bool)
    counts = []
    for split in others:
        _, held_out = _fingerprints_of(choose(name, folder, split, fold, val_fraction))
        leaked = prints.readable & np.isin(prints.pixels, held_out.pixels[held_out.readable])
        counts.append(f"{leaked.sum()} also in {split}")
        elsewhere |= leaked
    note = (
        f"{elsewhere.sum()} of the {len(indices)} training examples of {name} are left out because their "
        f"pixels also stand in another split ({', '.join(counts) or 'there is none'})"
    )
    return indices[~elsewhere], note


def _fingerprints_of(choice: Choice) -> tuple[np.ndarray, Fingerprints]:
    """Returns the indices of a split's examples into its records, and their fingerprints."""
    prints = fingerprints(choice.records)
    indices = np.arange(len(choice.records)) if choice.indices is None else choice.indices
    return indices, Fingerprints(*(values[indices] for values in prints))
