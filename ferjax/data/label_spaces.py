"""Maps one label space to another, so that a network of one is scored on a set of another. Pure NumPy.

A space is a tuple of class names: fer7, fer8 or a set's own. Names that mean the same class are one (`joy` is
`happy`, see `ferjax.data.labels.WORDS`), so that spaces are compared by meaning and never by position.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.labels import WORDS
from ferjax.data.sources import Source
from ferjax.data.split_index import Key
from ferjax.errors import UserError

ABSENT = -1


def meaning(name: str) -> str:
    """Returns the class that a name stands for; an unknown name stands for itself.

    >>> meaning("Joy"), meaning("boredom")
    ('happy', 'boredom')
    """
    return WORDS.get(name.strip().lower(), name)


def positions(names: Sequence[str], space: Sequence[str]) -> np.ndarray:
    """Finds each class of one space in another: int64 `[len(names)]`, `ABSENT` where it has no place.

    >>> positions(["joy", "boredom"], ["angry", "happy"])
    array([ 1, -1])

    The way back is `positions(space, names)`. Where a space has two classes of one meaning (joy and happy),
    each is found by its own name.
    """
    place: dict[str, int] = {}
    for index, name in enumerate(space):
        place.setdefault(meaning(name), index)
    place |= {name: index for index, name in enumerate(space)}
    return np.array([place.get(name, place.get(meaning(name), ABSENT)) for name in names], np.int64)


class Bridge(NamedTuple):
    """The classes of a set as a network of another space is scored on them.

    Attributes:
        targets: int64 `[S]`, for each class of the set the network's class that counts as right; `ABSENT` for
            classes that are not scored.
        allowed: bool `[K]`, the network's classes that the set can show. The others get probability zero.
    """

    targets: np.ndarray
    allowed: np.ndarray


def bridge(
    model_names: Sequence[str],
    set_names: Sequence[str],
    present: np.ndarray | None = None,
    merges: Mapping[str, str] | None = None,
) -> Bridge:
    """Maps a set's classes to a network's.

    Args:
        model_names: the network's K classes.
        set_names: the set's S classes.
        present: bool `[S]`, the classes that the set has examples of; all if None.
        merges: classes of the set that the network lacks → the network's class that they count as. The
            others that it lacks are not scored.

    Raises:
        UserError: a merge names a class that does not exist or changes nothing, or no class is left.
    """
    targets = positions(set_names, model_names)
    for extra, known in (merges or {}).items():
        source, target = positions([extra], set_names)[0], positions([known], model_names)[0]
        if target == ABSENT:
            raise UserError(f"{extra} cannot count as {known}: the network knows {', '.join(model_names)}")
        if source == ABSENT:
            raise UserError(f"{extra} cannot count as {known}: the set has only {', '.join(set_names)}")
        if targets[source] != ABSENT:
            raise UserError(f"{extra} cannot count as {known}: the network has a class {extra} itself")
        targets[source] = target
    scored = targets != ABSENT
    if present is not None:
        scored &= present
    if not scored.any():
        raise UserError(
            f"the network's classes ({', '.join(model_names)}) and the set's ({', '.join(set_names)}) have "
            "none in common"
        )
    allowed = np.zeros(len(model_names), bool)
    allowed[targets[scored]] = True
    return Bridge(targets, allowed)


class BridgedSource(Source):
    """The examples of a source that a network of another space is scored on, with the network's labels.

    Args:
        source: the split as it is stored.
        model_names: the network's classes.
        targets: see `Bridge`.

    Attributes:
        dropped: examples that are left out, by class name.

    Raises:
        UserError: no example is left.
    """

    def __init__(self, source: Source, model_names: Sequence[str], targets: np.ndarray) -> None:
        self.name, self.split = source.name, source.split
        self.image_shape, self.grey = source.image_shape, source.grey
        self.label_names = tuple(model_names)
        self._source = source
        self._targets = targets
        scored = targets[source.labels] != ABSENT
        self._indices = np.flatnonzero(scored)
        self.affect = None if source.affect is None else source.affect[self._indices]
        counts = np.bincount(source.labels[~scored], minlength=len(source.label_names))
        self.dropped = {
            name: int(count) for name, count in zip(source.label_names, counts, strict=True) if count
        }
        if not len(self._indices):
            raise UserError(
                f"no example of {source.name} {source.split} is of a class that the network knows"
            )

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def indices(self) -> np.ndarray:
        """The places of these examples in the whole split: int64 [len]."""
        return self._indices

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self._source[int(self._indices[self._checked([index])[0]])]
        return {**example, "label": np.int32(self._targets[example["label"]])}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        batch = self._source.take(self._indices[self._checked(indices)])
        return {**batch, "label": self._targets[batch["label"]].astype(np.int32)}

    @property
    def labels(self) -> np.ndarray:  # noqa: D102
        return self._targets[self._source.labels[self._indices]].astype(np.int32)

    @property
    def attributes(self) -> dict[str, Key]:  # noqa: D102
        held = self._source.attributes
        return {name: key._replace(codes=key.codes[self._indices]) for name, key in held.items()}

    def digest(self) -> str:  # noqa: D102
        return self._source.digest()
