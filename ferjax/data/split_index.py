"""The index of a split: labels, groups and a digest of all its examples, without reading them again."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# The features that name what an example belongs to; the index holds no other features.
KEYS = ("group", "identity", "character")


class Key(NamedTuple):
    """The values of one of `KEYS`, or of an attribute, in a split.

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
        attributes: of people and pictures, see `ferjax.data.attributes`: name → their values.
    """

    labels: np.ndarray
    digest: str
    keys: dict[str, Key]
    affect: np.ndarray | None = None
    attributes: dict[str, Key] = {}  # noqa: RUF012  (never changed)

    @property
    def groups(self) -> Key | None:
        """The key whose examples must stay in one split, as a person's: `group`, or else `identity`."""
        return self.keys.get("group") or self.keys.get("identity")


class KeyCodes:
    """Encodes the values of a split's examples one after the other: four bytes each, and each text once.

    Args:
        count: examples of the split; those that get no value have none.
    """

    def __init__(self, count: int) -> None:
        self._codes = np.full(count, -1, np.int32)
        self._known: dict[str, int] = {"": -1}

    def put(self, place: int, value: bytes | str | int) -> None:
        """Sets the value of an example; an empty text is no value."""
        text = value.decode() if isinstance(value, bytes) else str(value)
        self._codes[place] = self._known.setdefault(text, len(self._known) - 1)

    def key(self) -> Key:
        """Returns the values of all examples."""
        found = [name for name, code in self._known.items() if code >= 0]  # by their codes
        places = {name: place for place, name in enumerate(sorted(found))}
        sorted_codes = np.array(
            [*(places[name] for name in found), -1], np.int32
        )  # the last one is code −1's
        return Key(sorted_codes[self._codes], tuple(places))


def key_of(values: Sequence[bytes | str | int]) -> Key:
    """Encodes the values of a split's examples; an empty text is no value."""
    codes = KeyCodes(len(values))
    for place, value in enumerate(values):
        codes.put(place, value)
    return codes.key()


def joined(indexes: Sequence[Index]) -> Index:
    """Joins the indexes of several splits, one after the other."""
    keys = {key: _joined([(len(each.labels), each.keys[key]) for each in indexes]) for key in indexes[0].keys}
    attributes = {
        name: _joined([(len(each.labels), each.attributes.get(name)) for each in indexes])
        for name in sorted({name for each in indexes for name in each.attributes})
    }
    digest = hashlib.sha256("".join(index.digest for index in indexes).encode()).hexdigest()
    values = [index.affect for index in indexes if index.affect is not None]
    affect = np.concatenate(values) if len(values) == len(indexes) else None
    labels = np.concatenate([index.labels for index in indexes])
    return Index(labels, digest, keys, affect, attributes)


def _joined(parts: Sequence[tuple[int, Key | None]]) -> Key:
    """Joins the values of several splits; None stands for a split of so many examples without any."""
    texts: list[str] = []
    for count, key in parts:
        texts += [key.names[code] if code >= 0 else "" for code in key.codes] if key else [""] * count
    return key_of(texts)


def to_arrays(index: Index) -> dict[str, np.ndarray]:
    """Turns an index into plain arrays, for a file."""
    arrays = {
        "labels": index.labels,
        "digest": np.array(index.digest),
        "keys": np.array(list(index.keys), str),
    }
    for key, (codes, names) in index.keys.items():
        arrays |= {f"{key}_codes": codes, f"{key}_names": np.array(names, str)}
    arrays |= {} if index.affect is None else {"affect": index.affect}
    return arrays | attributes_to_arrays(index.attributes)


def attributes_to_arrays(attributes: Mapping[str, Key]) -> dict[str, np.ndarray]:
    """Turns the attributes of examples into plain arrays, for a file; see `attributes_of_arrays`."""
    arrays = {"attributes": np.array(list(attributes), str)}
    for place, (codes, names) in enumerate(attributes.values()):
        arrays |= {f"attribute{place}_codes": codes, f"attribute{place}_names": np.array(names, str)}
    return arrays


def attributes_of_arrays(arrays: Mapping[str, np.ndarray], count: int) -> dict[str, Key]:
    """Reads the attributes of `count` examples from plain arrays; none where an earlier version wrote them.

    Raises:
        KeyError, TypeError, ValueError: they are damaged.
    """
    if "attributes" not in arrays:
        return {}
    attributes = {}
    for place, name in enumerate(arrays["attributes"].tolist()):
        key = Key(arrays[f"attribute{place}_codes"], tuple(arrays[f"attribute{place}_names"].tolist()))
        if not isinstance(name, str) or not _fits(key, count):
            raise ValueError("an attribute is damaged")
        attributes[name] = key
    return attributes


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
        attributes = attributes_of_arrays(arrays, count)
        index = Index(arrays["labels"], str(arrays["digest"]), keys, arrays.get("affect"), attributes)
    except (KeyError, TypeError, ValueError):
        return None
    good = _are_codes(index.labels, count, 0, classes) and re.fullmatch(r"[0-9a-f]{64}", index.digest)
    if index.affect is not None:
        good = good and index.affect.shape == (count, 2) and index.affect.dtype == np.float32
    good = good and all(key in KEYS and _fits(values, count) for key, values in keys.items())
    return index if good else None


def _fits(key: Key, count: int) -> bool:
    """Tells whether the values of `count` examples are what `key_of` makes."""
    texts = all(isinstance(name, str) for name in key.names) and list(key.names) == sorted(set(key.names))
    return texts and _are_codes(key.codes, count, -1, len(key.names))


def _are_codes(values: np.ndarray, count: int, low: int, stop: int) -> bool:
    """Tells whether an array is int32 [count], each of low … stop − 1."""
    whole = values.dtype == np.int32 and values.shape == (count,)
    return whole and (not count or (low <= values.min() and values.max() < stop))
