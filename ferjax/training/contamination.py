"""Finds scored images that a network was trained or chosen on: the same pixels, in any data set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from ferjax.config import defaults
from ferjax.data.fingerprints import pixel_hashes
from ferjax.data.mixture import MixedSource
from ferjax.data.sources import Source, StreamSource
from ferjax.errors import UserError
from ferjax.training.splits import load_split


def seen_by(
    config: ConfigDict, splits: Iterable[Source], earlier: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Lists the data that a run's weights were trained and chosen on, ready for JSON: its own first.

    Args:
        config: the group `data` is kept.
        splits: those that are trained on and chosen on; their digests are kept.
        earlier: the same list of the weights that it began with.
    """
    digests = {source.split: source.digest() for source in splits}
    return [{"data": config.data.to_dict(), "split_digests": digests}, *map(dict, earlier)]


def find(scored: Source, trained_on: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts the scored images whose exact pixels are in the data that made the weights.

    Every stored image is decoded once for this; its hash is kept beside the set.

    Args:
        scored: the split that is scored.
        trained_on: see `seen_by`, the run's own data first.

    Returns:
        `images`: how many are scored; `train` and `validation`: how many of these are in the run's own
        splits; `earlier`: how many are only in the data of its initial weights; `unchecked`: sets that are
        not there any more.
    """
    mine = _pixels(scored)
    own = {"train": np.zeros(len(mine), bool), "validation": np.zeros(len(mine), bool)}
    before = np.zeros(len(mine), bool)
    unchecked = []
    for place, one in enumerate(trained_on):
        for split in own:
            try:
                known = np.isin(mine, _pixels(_opened(one["data"], split)))
            except UserError:
                unchecked.append(f"{one['data']['name']} {split}")
                continue
            if place == 0:
                own[split] |= known
            else:
                before |= known
    return {
        "images": len(mine),
        **{split: int(known.sum()) for split, known in own.items()},
        "earlier": int((before & ~own["train"] & ~own["validation"]).sum()),
        # The data of a chain of trainings is often the same.
        "unchecked": [*dict.fromkeys(unchecked)],
    }


# What keeps a run from seeing the images that its own test split scores.
OPTIONS = {"train": "drop_leaks", "validation": "drop_validation_leaks"}


def warnings(overlap: Mapping[str, Any], scored: str, own: Mapping[str, Any] | None = None) -> list[str]:
    """Returns the warnings for the result of `find`; none if nothing overlaps and everything was checked.

    Args:
        overlap: see `find`.
        scored: the set and split, for the message.
        own: the group `data` of the run if its own test split is scored: what a new run could set is told.
            None: another set, from which no option keeps a run away.
    """
    counts = {
        "the training data": overlap["train"],
        "the validation data, which chose the weights": overlap["validation"],
        "what the initial weights were trained on": overlap["earlier"],
    }
    parts = [f"{count:,} are also in {where}" for where, count in counts.items() if count]
    lines = []
    if parts:
        help_ = [
            f"--config.data.{option}=True"
            for split, option in OPTIONS.items()
            if own is not None and overlap[split] and not own[option]
        ]
        advice = f", and a new run with {' '.join(help_)} leaves them out" if help_ else ""
        lines.append(
            f"of the {overlap['images']:,} images of {scored}, {', '.join(parts)}, pixel for pixel: "
            f"its scores are too good. python -m ferjax audit lists them{advice}"
        )
    if overlap["unchecked"]:
        missing = " and ".join(overlap["unchecked"])
        lines.append(f"{scored} was not compared with {missing}, for that is not here")
    return lines


def _opened(data: Mapping[str, Any], split: str) -> Source:
    # Only pixels are compared: a file of labels need not be there any more.
    config = ConfigDict({"data": {**defaults().data.to_dict(), **data, "relabel": ""}})
    return load_split(config, split, cache="stream")


def _pixels(source: Source) -> np.ndarray:
    """Returns hashes uint64 [N] of the images that can be decoded."""
    if isinstance(source, MixedSource):
        return np.concatenate([_pixels(member) for member in source.members])
    if not isinstance(source, StreamSource):
        raise TypeError(f"{source.name} {source.split} is not streamed: its stored images are unknown")
    records, indices = source.stored
    hashes = pixel_hashes(records)
    return hashes.pixels[indices][hashes.readable[indices]]
