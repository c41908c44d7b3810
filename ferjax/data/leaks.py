"""Finds leaks: images of train or validation whose very pixels also stand in a split that scores them."""

from pathlib import Path

import numpy as np

from ferjax.data.fingerprints import PixelHashes, pixel_hashes
from ferjax.data.records import Records, describe
from ferjax.data.split_choice import Choice, Division, choose, divided_splits

# What the weights must not have seen: train is chosen on validation, and both are scored on test.
_NAMES = {"train": "training", "validation": "validation"}
LATER = {"train": ("validation", "test"), "validation": ("test",)}


def without_leaks(name: str, folder: Path, split: str, division: Division) -> tuple[np.ndarray, str]:
    """Finds the examples of a split whose pixels stand in none that is scored after it.

    The stored splits that a fold leaves aside (`train:2/5`) count as scored: they are kept for a later score.

    Every stored image is decoded once for this; its hash is kept beside the set.

    Args:
        name: the set's name.
        folder: of the built set.
        split: "train" or "validation".
        division: how the set is divided.

    Returns:
        Sorted int64 indices into the records of the split, and how many were left out, as a sentence.
    """
    fold, val_fraction, test_fraction, inner_fold = division
    official = () if fold else describe(name, folder).splits
    exists = {
        "validation": "validation" in official or val_fraction > 0 or bool(inner_fold),
        "test": "test" in official or bool(fold) or test_fraction > 0,
    }
    indices, hashes = _hashes_of(choose(name, folder, split, division))
    elsewhere = np.zeros(len(indices), bool)
    counts = []
    scored = {later: choose(name, folder, later, division) for later in filter(exists.get, LATER[split])}
    if fold:
        aside = set(describe(name, folder).splits) - set(divided_splits(name, folder, fold))
        scored |= {
            f"the stored {other}": Choice(Records(name, folder, other), None, "") for other in sorted(aside)
        }
    for place, choice in scored.items():
        _, held_out = _hashes_of(choice)
        leaked = hashes.readable & np.isin(hashes.pixels, held_out.pixels[held_out.readable])
        counts.append(f"{leaked.sum()} also in {place}")
        elsewhere |= leaked
    note = (
        f"{elsewhere.sum()} of the {len(indices)} {_NAMES[split]} examples of {name} are left out because "
        f"their pixels also stand in another split ({', '.join(counts) or 'there is none'})"
    )
    return indices[~elsewhere], note


def _hashes_of(choice: Choice) -> tuple[np.ndarray, PixelHashes]:
    """Returns the indices of a split's examples into its records, and their hashes."""
    hashes = pixel_hashes(choice.records)
    indices = np.arange(len(choice.records)) if choice.indices is None else choice.indices
    return indices, PixelHashes(*(values[indices] for values in hashes))
