"""Chooses which examples of a split one epoch visits, and in which order."""

import abc
import dataclasses
import functools

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.data.sources import Source
from ferjax.data.training_groups import groups_of

CLASSES = ("oversample", "draw")
GROUPS = ("oversample_groups", "draw_groups")
NAMES = ("none", *CLASSES, *GROUPS)


class Epochs(abc.ABC):
    """The epochs of a split. The examples of an epoch depend on the seed and its number alone."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Returns how many examples an epoch visits, repeated ones counted again."""

    @abc.abstractmethod
    def order(self, seed: int, epoch: int) -> np.ndarray:
        """Returns the examples that an epoch visits, in order: int64 [len]."""


@dataclasses.dataclass(frozen=True)
class Once(Epochs):
    """Visits each of `length` examples once."""

    length: int

    def __len__(self) -> int:
        return self.length

    def order(self, seed: int, epoch: int) -> np.ndarray:  # noqa: D102
        return Draws("epoch", seed, epoch).order(self.length)


@dataclasses.dataclass(frozen=True)
class Part(Epochs):
    """Visits each of `length` examples from `start` on once; `number` tells the part from the others."""

    number: int
    start: int
    length: int

    def __len__(self) -> int:
        return self.length

    def order(self, seed: int, epoch: int) -> np.ndarray:  # noqa: D102
        return self.start + Draws("part", self.number, seed, epoch).order(self.length)


@dataclasses.dataclass(frozen=True)
class Mixed(Epochs):
    """Visits several sets, one after the other in the source, each as often as its share says.

    Every set is a row of passes without end, each of which visits all of its examples once in a new order.
    An epoch takes the next examples of each row, as many as the set's share, and shuffles them together: a
    set whose share is small goes on in the next epoch where it was.

    Attributes:
        shares: of each set, how many examples it has, and how many an epoch takes.
    """

    shares: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return sum(taken for _, taken in self.shares)

    def order(self, seed: int, epoch: int) -> np.ndarray:  # noqa: D102
        visited, start = [], 0
        for number, (length, taken) in enumerate(self.shares):
            first, end = epoch * taken, (epoch + 1) * taken
            for turn in range(first // length, -(-end // length)):
                order = Draws("mixture", number, seed, turn).order(length)
                visited.append(start + order[max(first - turn * length, 0) : end - turn * length])
            start += length
        return np.concatenate(visited)[Draws("epoch", seed, epoch).order(len(self))]


@dataclasses.dataclass(frozen=True, eq=False)
class Oversampled(Epochs):
    """Visits every class as often as the largest one, M times.

    An example of a class of n is visited ⌊M / n⌋ or ⌈M / n⌉ times an epoch; which ones are visited once
    more is drawn anew for each epoch. Classes without examples stay without.

    Attributes:
        labels: int [N].
    """

    labels: np.ndarray

    def __len__(self) -> int:
        return self._length

    @functools.cached_property
    def _length(self) -> int:
        counts = np.bincount(self.labels)
        return int((counts > 0).sum() * counts.max(initial=0))

    def order(self, seed: int, epoch: int) -> np.ndarray:  # noqa: D102
        largest = np.bincount(self.labels).max()
        visited = []
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            times, more = divmod(largest, len(members))
            extra = Draws("oversample", seed, epoch, int(label)).order(len(members))[:more]
            visited += [np.tile(members, times), members[extra]]
        return np.concatenate(visited)[Draws("epoch", seed, epoch).order(len(self))]


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn(Epochs):
    """Draws as many examples as there are, with replacement, every class equally likely.

    This is what PyTorch's `WeightedRandomSampler` does with weights of 1 / (examples of the class), known in
    this field as ImbalancedDatasetSampler. Of a large class an epoch leaves out many examples.

    Attributes:
        labels: int [N].
    """

    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def _classes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The examples sorted by class, and where each class that occurs begins and how many it has."""
        _, counts = np.unique(self.labels, return_counts=True)
        return np.argsort(self.labels, kind="stable"), np.cumsum(counts) - counts, counts

    def order(self, seed: int, epoch: int) -> np.ndarray:  # noqa: D102
        members, starts, counts = self._classes
        draws = Draws("draw", seed, epoch)
        chosen = draws.below_each(np.full(len(self), len(counts)))
        return members[starts[chosen] + draws.below_each(counts[chosen])]


def epochs(source: Source, balance: str, groups: str = "") -> Epochs:
    """Returns the epochs of a split.

    Args:
        source: the training split; the weights of a mixture decide alone.
        balance: one of `NAMES`; those of `GROUPS` show groups, instead of classes, equally often.
        groups: which groups, see `ferjax.data.training_groups.groups_of`.

    Raises:
        UserError: the set does not have the groups.
    """
    if source.mixture:
        return Mixed(source.mixture)
    if balance == "none":
        return Once(len(source))
    members = groups_of(source, groups).codes if balance in GROUPS else source.labels
    return Oversampled(members) if balance.startswith("oversample") else Drawn(members)
