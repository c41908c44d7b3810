"""The index of a split: labels, groups and a digest of all its examples, without reading them again."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The features that name what an example belongs to; the index holds no other features.
KEYS = ("group", "identity", "character")


class Key(NamedTuple):
    """The values of one of `KEYS` in a split.

    Attributes:
        codes: int32 [N], indices into `names`; −1 for an example that holds nothing.
        names: every value as text, sorted.
    """

    codes: np.ndarray
    names: tuple[str, ...]


class Index(NamedTuple):
    """The result of one pass over a split.

    Attributes:
        labels: int32 [N].
        digest: SHA-256 over every label and stored image, hex.
        keys: which of `KEYS` the set stores → their values.
        affect: valence and arousal, float32 [N, 2], see `ferjax.data.affect`; None if the set has none, or an
            earlier version wrote the index.
    """

    labels: np.ndarray
    digest: str
    keys: dict[str, Key]
    affect: np.ndarray | None = None

    @property
    def groups(self) -> Key | None:
        """The key whose examples must stay in one split, as a person's: `group`, or else `identity`."""
        return self.keys.get("group") or self.keys.get("identity")


def key_of(values: Sequence[bytes | str | int]) -> Key:
    """Encodes the values of a split's examples; an empty text is no value."""
    values = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    names = sorted(set(values) - {""})
    codes = {"": -1} | {name: code for code, name in enumerate(names)}
    return Key(np.array([codes[value] for value in values], np.int32), tuple(names))


def joined(indexes: Sequence[Index]) -> Index:
    """Joins the indexes of several splits, one after the other."""
    keys = {}
    for key in indexes[0].keys:
        held = [index.keys[key] for index in indexes]
        keys[key] = key_of([part.names[code] if code >= 0 else "" for part in held for code in part.codes])
    digest = hashlib.sha256("".join(index.digest for index in indexes).encode()).hexdigest()
    values = [index.affect for index in indexes if index.affect is not None]
    affect = np.concatenate(values) if len(values) == len(indexes) else None
    return Index(np.concatenate([index.labels for index in indexes]), digest, keys, affect)


def to_arrays(index: Index) -> dict[str, np.ndarray]:
    """Turns an index into plain arrays, for a file."""
    arrays = {
        "labels": index.labels,
        "digest": np.array(index.digest),
        "keys": np.array(list(index.keys), str),
    }
    for key, (codes, names) in index.keys.items():
        arrays |= {f"{key}_codes": codes, f"{key}_names": np.array(names, str)}
    return arrays if index.affect is None else {**arrays, "affect": index.affect}


def from_arrays(arrays: dict[str, np.ndarray] | None, count: int, classes: int) -> Index | None:
    """Rebuilds an index from `to_arrays`.

    Args:
        arrays: as they were read; None if there is no file.
        count: examples of the split.
        classes: of the set.

    Returns:
        None where there is none that fits: no file, an older one that holds less, one that was edited.
    """
    if arrays is None:
        return None
    try:
        keys = {
            key: Key(arrays[f"{key}_codes"], tuple(arrays[f"{key}_names"].tolist()))
            for key in arrays["keys"].tolist()
        }
        index = Index(arrays["labels"], str(arrays["digest"]), keys, arrays.get("affect"))
    except (KeyError, TypeError):
        return None
    good = _are_codes(index.labels, count, 0, classes) and re.fullmatch(r"[0-9a-f]{64}", index.digest)
    if index.affect is not None:
        good = good and index.affect.shape == (count, 2) and index.affect.dtype == np.float32
    for key, (codes, names) in keys.items():
        texts = all(isinstance(name, str) for name in names) and list(names) == sorted(set(names))
        good = good and key in KEYS and texts and _are_codes(codes, count, -1, len(names))
    return index if good else None


def _are_codes(values: np.ndarray, count: int, low: int, stop: int) -> bool:
    """Tells whether an array is int32 [count], each of low … stop − 1."""
    whole = values.dtype == np.int32 and values.shape == (count,)
    return whole and (not count or (low <= values.min() and values.max() < stop))
