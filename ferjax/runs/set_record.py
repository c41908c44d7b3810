"""What a checkpoint records of the data set, and whether the set is still the same when a run goes on."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ferjax.data.sources import Source
from ferjax.errors import UserError, listed


def record(splits: Iterable[Source]) -> dict[str, Any]:
    """Returns the classes, and the number and digests of the examples of each split; ready for JSON."""
    splits = list(splits)
    return {
        "label_names": list(splits[0].label_names),
        "examples": {source.split: len(source) for source in splits},
        "digests": {source.split: source.digest() for source in splits},
        "affect_digests": {
            source.split: hashlib.sha256(source.affect.astype("<f4").tobytes()).hexdigest()
            for source in splits
            if source.affect is not None
        },
    }


def check(meta: Mapping[str, Any], now: Mapping[str, Any], name: str) -> None:
    """Compares what a checkpoint recorded with the set of now.

    Args:
        meta: of the checkpoint. What earlier versions did not record is not compared.
        now: see `record`.
        name: the set's, for the message.

    Raises:
        UserError: classes were renamed or ordered anew, or images, labels, valence or arousal differ.
    """
    before = _recorded(meta)
    changed = _classes(before.get("label_names") or now["label_names"], now["label_names"])
    for split, digest in now["digests"].items():
        known, count = before["digests"].get(split), before["examples"].get(split)
        if count is not None and count != now["examples"][split]:
            changed.append(f"{split} had {count:,} images, has {now['examples'][split]:,}")
        elif known is not None and known != digest:
            changed.append(f"images or labels of {split} are others")
    known = before.get("affect_digests", {})
    changed += [
        f"valence or arousal of {split} are others"
        for split, digest in now.get("affect_digests", {}).items()
        if known.get(split, digest) != digest
    ]
    if changed:
        raise UserError(
            f"the data set {name} is not the one that this run was trained on so far "
            f"({listed(changed, most=2, separator='; ')}): put it back as it was, or take another --workdir"
        )


def _recorded(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the record of a checkpoint; versions before it had its own field kept a part elsewhere."""
    if "set" in meta:
        return meta["set"]
    own = next(iter(meta.get("trained_on") or []), {})
    return {
        "label_names": meta.get("label_names"),
        "examples": {},
        "digests": own.get("split_digests", {}),
    }


def _classes(before: Sequence[str], now: Sequence[str]) -> list[str]:
    if len(before) != len(now):
        return [f"it had {len(before)} classes, has {len(now)}"]
    return [
        f"class {number} was {old[:20]!r}, is {new[:20]!r}"
        for number, (old, new) in enumerate(zip(before, now, strict=True))
        if old != new
    ]
