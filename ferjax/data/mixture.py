"""Training on several data sets at once: the training splits, one after the other, each with its weight."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferjax.data import builders
from ferjax.data.memory_source import into_memory
from ferjax.data.sources import Source, StreamSource
from ferjax.errors import UserError

Opened = Callable[[str, int | None], Source]


class MixedSource(Source):
    """The examples of several sources, one source after the other.

    Args:
        members: the sources, with images of one shape.
        weights: of each, above 0; an epoch, which takes as many examples as there are, takes this part of
            them from the source, see `ferjax.data.balance.Mixed`.
        label_names: the class of each label.
        labelled: whether labels mean classes; False: every label is 0, for training without labels.

    Raises:
        UserError: the images differ in shape, or a weight is so small that an epoch takes nothing.
    """

    def __init__(
        self,
        members: Sequence[Source],
        weights: Sequence[float],
        label_names: Sequence[str],
        labelled: bool = True,
    ) -> None:
        first = members[0]
        for other in members[1:]:
            if other.image_shape != first.image_shape:
                raise UserError(
                    f"images of {other.name} are {other.image_shape} and those of {first.name} "
                    f"{first.image_shape}: a mixture needs one shape, as data.image_size gives"
                )
        self.members, self._weights = tuple(members), tuple(weights)
        self.name, self.split = "+".join(member.name for member in members), first.split
        self.label_names, self.image_shape = tuple(label_names), first.image_shape
        self.grey = all(member.grey for member in members)
        self.quick = all(member.quick for member in members)
        self.streamed = all(member.streamed for member in members)
        self.replaced = sum(member.replaced for member in members)
        self.affect = _affect(members)
        self._labelled = labelled
        self._starts = np.cumsum([0, *map(len, members)])
        self.mixture = tuple(zip(map(len, members), self._shares(), strict=True))

    def _shares(self) -> list[int]:
        """Divides the examples of an epoch by the weights; the largest remainders are rounded up."""
        parts = np.array(self._weights) / sum(self._weights) * len(self)
        counts = np.floor(parts).astype(np.int64)
        order = np.argsort(counts - parts, kind="stable")
        counts[order[: len(self) - counts.sum()]] += 1
        for member, weight, count in zip(self.members, self._weights, counts, strict=True):
            if not count:
                raise UserError(
                    f"data.mixture: the weight {weight:g} of {member.name} takes none of the {len(self):,} "
                    "images of an epoch: raise it, or leave the set out"
                )
        return counts.tolist()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _places(self, indices: np.ndarray) -> np.ndarray:
        """Returns which member each example is of: int64 [N]."""
        return np.searchsorted(self._starts, indices, side="right") - 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = int(self._places(self._checked([index]))[0])
        example = self.members[number][int(index - self._starts[number])]
        return example if self._labelled else {**example, "label": np.int32(0)}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        indices = self._checked(indices)
        numbers, batch = self._places(indices), dict[str, np.ndarray]()
        for number in np.unique(numbers) if len(indices) else (0,):
            places = np.flatnonzero(numbers == number)
            taken = self.members[number].take(indices[places] - self._starts[number])
            for name in ("image", "label"):
                values = taken[name]
                batch.setdefault(name, np.empty((len(indices), *values.shape[1:]), values.dtype))
                batch[name][places] = values
        if not self._labelled:
            batch["label"] = np.zeros(len(indices), np.int32)
        return self.with_affect(batch, indices)

    @property
    def labels(self) -> np.ndarray:  # noqa: D102
        if not self._labelled:
            return np.zeros(len(self), np.int32)
        return np.concatenate([member.labels for member in self.members])

    def digest(self) -> str:  # noqa: D102
        digests = ",".join(member.digest() for member in self.members)
        return hashlib.sha256(f"mixture {self.mixture} {digests}".encode()).hexdigest()

    def decoded(self) -> "MixedSource":
        """Returns the same examples, decoded into memory. The members must be streamed."""
        streams = [member for member in self.members if isinstance(member, StreamSource)]
        return MixedSource(
            [into_memory(stream) for stream in streams], self._weights, self.label_names, self._labelled
        )


def _affect(members: Sequence[Source]) -> np.ndarray | None:
    """Joins valence and arousal, NaN for members without; None if none has any."""
    if all(member.affect is None for member in members):
        return None
    unknown = [
        np.full((len(member), 2), np.nan, np.float32) if member.affect is None else member.affect
        for member in members
    ]
    return np.concatenate(unknown)


def load_mixture(
    weights: Sequence[tuple[str, float]], label_names: Sequence[str], labelled: bool, opened: Opened
) -> MixedSource:
    """Opens the training splits of a mixture.

    Args:
        weights: pairs (name of a set, weight).
        label_names: the classes of the set that validates and tests.
        labelled: whether classes are learnt, and so must be the same in all sets.
        opened: opens the training split of a set by its name, with so many channels (None: as stored).

    Raises:
        UserError: a set is missing or damaged, or its classes are others.
    """
    grey = [builders.is_grey(name) for name, _ in weights]
    channels = 3 if any(grey) and not all(grey) else None
    members = [opened(name, channels) for name, _ in weights]
    for member in members if labelled else ():
        if member.label_names != tuple(label_names):
            raise UserError(
                f"data.mixture: the classes of {member.name} ({', '.join(member.label_names)}) are not those "
                f"of data.name ({', '.join(label_names)}): take another label space of the set, or "
                "pretrain.method=mae, which needs no labels"
            )
    return MixedSource(members, [weight for _, weight in weights], label_names, labelled)
