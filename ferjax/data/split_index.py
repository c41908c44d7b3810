"""What is known of all examples of a split, without reading them again: labels, groups, a digest."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The features that say what an example belongs to: whatever else a set stores is not in its index.
KEYS = ("group", "identity", "character")


class Key(NamedTuple):
    """What the examples of a split hold under one of `KEYS`.

    Attributes:
        codes: int32 [N], indices into `names`; −1 for an example that holds nothing.
        names: every value as text, sorted.
    """

    codes: np.ndarray
    names: tuple[str, ...]


class Index(NamedTuple):
    """What one pass over a split tells.

    Attributes:
        labels: int32 [N].
        digest: SHA-256 over every label and stored image, hex.
        keys: which of `KEYS` the set stores → their values.
    """

    labels: np.ndarray
    digest: str
    keys: dict[str, Key]

    @property
    def groups(self) -> Key | None:
        """What must not be torn apart, a person or a source image: `group`, or else `identity`."""
        return self.keys.get("group") or self.keys.get("identity")


def key_of(values: Sequence[bytes | str | int]) -> Key:
    """The key of a split's examples; an empty text is no value."""
    values = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    names = sorted(set(values) - {""})
    codes = {"": -1} | {name: code for code, name in enumerate(names)}
    return Key(np.array([codes[value] for value in values], np.int32), tuple(names))


def joined(indexes: Sequence[Index]) -> Index:
    """The index of several splits, one after the other."""
    keys = {}
    for key in indexes[0].keys:
        held = [index.keys[key] for index in indexes]
        keys[key] = key_of([part.names[code] if code >= 0 else "" for part in held for code in part.codes])
    digest = hashlib.sha256("".join(index.digest for index in indexes).encode()).hexdigest()
    return Index(np.concatenate([index.labels for index in indexes]), digest, keys)


def to_arrays(index: Index) -> dict[str, np.ndarray]:
    """The index as plain arrays, for a file."""
    arrays = {
        "labels": index.labels,
        "digest": np.array(index.digest),
        "keys": np.array(list(index.keys), str),
    }
    for key, (codes, names) in index.keys.items():
        arrays |= {f"{key}_codes": codes, f"{key}_names": np.array(names, str)}
    return arrays


def from_arrays(arrays: dict[str, np.ndarray] | None) -> Index | None:
    """What `to_arrays` took apart; None if there is no file, or it is of a ferjax that noted less."""
    try:
        keys = {
            key: Key(arrays[f"{key}_codes"], tuple(arrays[f"{key}_names"].tolist()))
            for key in arrays["keys"].tolist()
        }
        return Index(arrays["labels"], str(arrays["digest"]), keys)
    except (KeyError, TypeError):
        return None
