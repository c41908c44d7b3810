"""Reads what is audited, all splits of a built set one after the other; and defines a finding."""

import dataclasses
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from ferjax.data.fingerprints import Fingerprints, fingerprints
from ferjax.data.records import Records, describe
from ferjax.data.split_index import Key


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem of a data set.

    Attributes:
        check: the name of the check, as docs/audit.md lists them.
        serious: whether scores on this set would be wrong; `--strict` fails.
        count: how many images, pairs, groups or classes have the problem.
        text: a sentence for the report.
    """

    check: str
    serious: bool
    count: int
    text: str


@dataclasses.dataclass(frozen=True)
class Content:
    """The examples of all splits, joined.

    Attributes:
        name: the set's name.
        records: split → its records, in the order in which they are joined.
        label_names: the class of each label.
        split: int64 [N], the position of an example's split in `records`.
        labels: int32 [N].
        groups: see `Index.groups`, of all splits.
        prints: the fingerprints.
    """

    name: str
    records: dict[str, Records]
    label_names: tuple[str, ...]
    split: np.ndarray
    labels: np.ndarray
    groups: Key | None
    prints: Fingerprints

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits."""
        return tuple(self.records)

    def pairs_of_splits(self) -> Iterator[tuple[int, int]]:
        """Yields the positions of every two splits, the earlier first."""
        return combinations(range(len(self.records)), 2)

    def place(self, example: int) -> tuple[str, int]:
        """Returns the split of an example and its index there."""
        split = int(self.split[example])
        return self.splits[split], int(example - np.searchsorted(self.split, split))


def read(name: str, folder: Path) -> Content:
    """Reads a built set; every image is decoded, unless its fingerprint is kept beside the set.

    Raises:
        UserError: the set is damaged.
    """
    splits = tuple(describe(name, folder).splits)
    records = {split: Records(name, folder, split) for split in splits}
    joined = Records(name, folder, "+".join(splits))
    return Content(
        name=name,
        records=records,
        label_names=joined.label_names,
        split=np.repeat(np.arange(len(splits)), [len(part) for part in records.values()]),
        labels=joined.index.labels,
        groups=joined.index.groups,
        prints=fingerprints(joined),
    )
