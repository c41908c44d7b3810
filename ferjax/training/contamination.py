"""Whether images that a network is scored on are among those that made it: the same pixels, in any set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from ferjax.config import defaults
from ferjax.data.fingerprints import fingerprints
from ferjax.data.sources import Source, StreamSource
from ferjax.errors import UserError
from ferjax.training.setup import load_split


def seen_by(
    config: ConfigDict, splits: Iterable[Source], earlier: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What a run's weights have seen, ready for JSON: its own data first, then its source's.

    Args:
        config: the group `data` is kept.
        splits: those that are trained on and chosen on; their digests are kept.
        earlier: what the weights that it began with had seen.
    """
    digests = {source.split: source.digest() for source in splits}
    return [{"data": config.data.to_dict(), "split_digests": digests}, *earlier]


def find(scored: StreamSource, seen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts the scored images that stand, pixel for pixel, in what the weights have seen.

    Every stored image is decoded once for this; the fingerprints are kept beside the sets.

    Args:
        scored: the split that is scored.
        seen: see `seen_by`, the run's own data first.

    Returns:
        `images`: how many are scored; `train` and `validation`: of these, how many are in the run's own
        splits; `earlier`: in what its initial weights had seen, and not there; `unchecked`: sets that are
        not there any more.
    """
    mine = _pixels(scored)
    own = {"train": np.zeros(len(mine), bool), "validation": np.zeros(len(mine), bool)}
    before = np.zeros(len(mine), bool)
    unchecked = []
    for place, one in enumerate(seen):
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
        "unchecked": unchecked,
    }


def warning(found: Mapping[str, Any], scored: str) -> str | None:
    """What a person must know of it: None if nothing overlaps and everything was checked."""
    told = {
        "the training data": found["train"],
        "the validation data, which chose the weights": found["validation"],
        "what the initial weights were trained on": found["earlier"],
    }
    parts = [f"{count:,} in {where}" for where, count in told.items() if count]
    lines = []
    if parts:
        lines.append(
            f"WARNING: of the {found['images']:,} images of {scored} the same pixels stand "
            f"{', '.join(parts)}: its scores are too good. python -m ferjax audit lists them, "
            "data.drop_leaks=True trains without"
        )
    if found["unchecked"]:
        lines.append(
            f"warning: whether {scored} overlaps {', '.join(found['unchecked'])} is not known: it is not here"
        )
    return "\n".join(lines) or None


def _opened(data: Mapping[str, Any], split: str) -> StreamSource:
    config = ConfigDict({"data": {**defaults().data.to_dict(), **data}})
    return load_split(config, split, cache="stream")


def _pixels(source: StreamSource) -> np.ndarray:
    """Hashes uint64 [N]; images that cannot be decoded are not among them."""
    records, indices = source.stored
    prints = fingerprints(records)
    return prints.pixels[indices][prints.readable[indices]]
