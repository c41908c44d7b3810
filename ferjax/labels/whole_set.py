"""Opens a whole set, its splits put together, or one split of it, with the labels that are looked at."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ferjax.data import relabel
from ferjax.data.carving import group_numbers
from ferjax.data.described import describe
from ferjax.data.loading import built_folder
from ferjax.data.records import Records
from ferjax.errors import UserError, listed
from ferjax.training.splits import load_split


class WholeSet(NamedTuple):
    """All N examples of a set, split after split, or those of one split.

    Attributes:
        records: of these splits.
        sizes: stored split → how many examples it has, in order.
        labels: int32 [N], given: as stored, or as a relabel file has them.
        planted: bool [N], which of them were made wrong on purpose; None where none was.
        groups: int64 [N], numbers of the people or source images; of the examples where the set names none.
        key: the column of a relabel file that names examples: `id` or `example`.
        keys: N texts in it.
    """

    records: Records
    sizes: Mapping[str, int]
    labels: np.ndarray
    planted: np.ndarray | None
    groups: np.ndarray
    key: str
    keys: Sequence[str]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The K classes."""
        return self.records.label_names

    @property
    def splits(self) -> np.ndarray:
        """The stored split of each example, text [N]."""
        return np.repeat(list(self.sizes), list(self.sizes.values()))

    def place(self, example: int) -> tuple[str, int]:
        """Returns the stored split of an example, and its index there."""
        for split, size in self.sizes.items():
            if example < size:
                return split, example
            example -= size
        raise IndexError(f"{self.records.name} has no such example")

    def digest(self) -> str:
        """Returns a hash (hex) of the stored images and the given labels."""
        given = self.labels.astype("<i4").tobytes()
        return hashlib.sha256(self.records.index.digest.encode() + given).hexdigest()


def open_set(config: ConfigDict, folds: int, split: str = "") -> WholeSet:
    """Opens the set of a config.

    Args:
        config: `data.name`, `data.dir`, `data.relabel` and `data.label_noise` are read; the last makes the
            same labels of train wrong as in a run of this config.
        folds: that the set is to be divided into; 0 for none.
        split: the only stored split that is looked at; all if empty.

    Raises:
        UserError: there is no such set or split, it has one class only, or a class has too few examples for
            so many folds.
    """
    name = config.data.name
    folder = built_folder(name, config.data.dir or None)
    records = Records(name, folder, split or "+".join(describe(name, folder).splits))
    labels = records.index.labels
    if config.data.relabel:
        labels = relabel.relabelled(records, relabel.opened(config.data.relabel))
    _check(name, records.label_names, labels, folds)
    planted = None
    if config.data.label_noise:
        before, labels = labels, _with_noise(config, records, labels)
        planted = labels != before
    groups = records.index.groups
    parts = records.parts() or [records]
    key, keys = relabel.keys_of(records)
    return WholeSet(
        records=records,
        sizes={part.split: len(part) for part in parts},
        labels=labels,
        planted=planted,
        groups=np.arange(len(labels)) if groups is None else group_numbers(groups),
        key=key,
        keys=keys,
    )


def _check(name: str, label_names: Sequence[str], labels: np.ndarray, folds: int) -> None:
    counts = dict(zip(label_names, np.bincount(labels, minlength=len(label_names)).tolist(), strict=True))
    present = [f"{label} {count}" for label, count in counts.items() if count]
    if len(present) < 2:
        raise UserError(f"{name} has examples of one class only ({listed(present)}): no label can be another")
    few = [f"{label} {count}" for label, count in counts.items() if 0 < count < folds]
    if few:
        least = min(filter(None, counts.values()))
        fewer = f"take --folds={least}, or " if least > 1 else ""
        raise UserError(
            f"{name} has too few examples for {folds} folds, of which each needs one of every class: "
            f"{listed(few)}; {fewer}leave these classes out of the set"
        )


def _with_noise(config: ConfigDict, records: Records, labels: np.ndarray) -> np.ndarray:
    """Returns the labels with those that a run of this config makes wrong in train."""
    train = load_split(config, "train", cache="stream")
    own, indices = train.stored  # pyright: ignore[reportAttributeAccessIssue]  (a StreamSource, as asked for)
    parts = records.parts() or [records]
    starts = dict(zip([part.split for part in parts], np.cumsum([0, *map(len, parts)]), strict=False))
    noisy, offset = labels.astype(np.int32), 0
    for part in own.parts() or [own]:
        inside = (indices >= offset) & (indices < offset + len(part))
        if part.split in starts:
            noisy[starts[part.split] + indices[inside] - offset] = train.labels[inside]
        offset += len(part)
    return noisy
