"""Sources give the examples of a split by index, decoded into memory once or whenever they are taken."""

import abc
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.data.images import BadImage, decode
from ferjax.data.records import Records
from ferjax.data.split_index import Key
from ferjax.errors import UserError


class Source(abc.ABC):
    """Random access to the examples of one split. Safe to read from several threads.

    Attributes:
        name: the set's name.
        split: the split's name.
        label_names: the class of each label.
        image_shape: (H, W, C) of every image.
        grey: whether the stored images have no colour, however many channels are read.
        quick: whether a batch is made so fast that threads would take longer.
        affect: valence and arousal of all examples, float32 [len, 2], NaN where unknown; batches hold them
            then. None where nobody asked for them, or the set has none.
        replaced: how many labels are those of a relabel file, and other ones than are stored.
        streamed: whether images are decoded when they are taken, and worker processes can do so.
        mixture: of several sets, one after the other: how many examples each has, and how many an epoch
            takes of them, see `ferjax.data.balance.Mixed`. Empty for one set.
    """

    name: str
    split: str
    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    grey: bool = False
    quick: bool = False
    affect: np.ndarray | None = None
    replaced: int = 0
    streamed: bool = False
    mixture: tuple[tuple[int, int], ...] = ()

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns one example.

        Returns:
            `image`: uint8 [H, W, C], `label`: np.int32, and the other values that the set stores.

        Raises:
            IndexError: `index` is not one of 0 … len − 1.
        """

    @abc.abstractmethod
    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Returns a batch: `image` uint8 [N, H, W, C] and `label` int32 [N], or float32 [N, K] if soft.

        Beside them stands `affect`, float32 [N, 2], unless the attribute is None.

        Args:
            indices: int [N], each one of 0 … len − 1, in any order, repeated or not.

        Raises:
            IndexError: an index is out of range.
        """

    @property
    @abc.abstractmethod
    def labels(self) -> np.ndarray:
        """All labels, int32 [len]."""

    @property
    def attributes(self) -> dict[str, Key]:
        """What the set tells of the people and pictures, such as gender: name → values of all examples."""
        return {}

    @abc.abstractmethod
    def digest(self) -> str:
        """Returns a hash (hex) of the labels and the stored images, for run records.

        It covers the encoded images, before any resizing: memory and stream agree.
        """

    def with_affect(
        self, batch: dict[str, np.ndarray], indices: Sequence[int] | np.ndarray
    ) -> dict[str, np.ndarray]:
        """Adds the values of the examples at some indices to their batch, if there are any."""
        if self.affect is None:
            return batch
        return {**batch, "affect": self.affect[np.asarray(indices, np.int64)]}

    def _checked(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        indices = np.asarray(indices, np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"{self.name} {self.split} holds the examples 0 … {len(self) - 1}")
        return indices


class StreamSource(Source):
    """Reads and decodes examples whenever they are taken. Its pickle is small: it opens the files again.

    Args:
        records: the stored split.
        indices: int64 [len], the records that this source shows; all of them if left out.
        split: the name of that choice; the stored split's if left out.
        image_size: see `ferjax.data.images.decode`; as stored if left out.
        channels: see `ferjax.data.images.decode`; as stored if left out.
        resize: one of `ferjax.data.resize.FILTERS`.
        soft_labels: `take` gives the stored distributions over the classes, `votes`, as labels. All else
            goes by the class of the label.
        labels: int32 [len], which replace the stored ones; not with `soft_labels`.
        affect: whether batches hold valence and arousal where the set has them.
        replaced: see `Source`.

    Raises:
        UserError: the stored images differ in size or channels, so these must be given; or soft labels are
            asked for and not stored.
    """

    streamed = True

    def __init__(
        self,
        records: Records,
        *,
        indices: np.ndarray | None = None,
        split: str | None = None,
        image_size: int | None = None,
        channels: int | None = None,
        resize: str = "pil",
        soft_labels: bool = False,
        labels: np.ndarray | None = None,
        affect: bool = False,
        replaced: int = 0,
    ) -> None:
        stored_height, stored_width, stored_channels = records.image_shape
        height, width = image_size or stored_height, image_size or stored_width
        channels = channels or stored_channels
        if height is None or width is None or channels is None:
            raise UserError(f"the images of {records.name} differ in size: set image_size and channels")
        if soft_labels and not records.holds_votes:
            raise UserError(f"{records.name} stores no votes, which soft_labels takes; ferplus does")
        self.name = records.name
        self.split = split or records.split
        self.label_names = records.label_names
        self.image_shape = (height, width, channels)
        self.grey = stored_channels == 1
        self.replaced = replaced
        self._records = records
        self._indices = indices
        self._image_size = image_size
        self.resize = resize
        self.soft_labels = soft_labels
        self._labels = labels
        values = records.affect if affect else None
        self.affect = values if values is None or indices is None else values[indices]

    def __len__(self) -> int:
        return len(self._records) if self._indices is None else len(self._indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        (record,) = self.read([index])
        return {
            **extras(record),
            "image": self.decode(record),
            "label": np.int32(record["label"] if self._labels is None else self._labels[index]),
        }

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        records = self.read(indices)
        images = np.empty((len(records), *self.image_shape), np.uint8)
        for place, record in enumerate(records):
            images[place] = self.decode(record)
        return self.with_affect({"image": images, "label": self.targets(records, indices)}, indices)

    def targets(
        self, records: Sequence[Mapping[str, Any]], indices: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """Returns the labels of the records at indices, as `take`: int32 [N], or float32 [N, K] if soft."""
        if self._labels is not None:
            return self._labels[np.asarray(indices, np.int64)]
        if self.soft_labels:
            votes = [record["votes"] for record in records]
            return np.array(votes, np.float32).reshape(len(records), len(self.label_names))
        return np.array([record["label"] for record in records], np.int32)

    @property
    def labels(self) -> np.ndarray:  # noqa: D102
        if self._labels is not None:
            return self._labels
        labels = self._records.index.labels
        return labels if self._indices is None else labels[self._indices]

    @property
    def attributes(self) -> dict[str, Key]:  # noqa: D102
        held = self._records.index.attributes
        if self._indices is None:
            return held
        return {name: key._replace(codes=key.codes[self._indices]) for name, key in held.items()}

    def digest(self) -> str:  # noqa: D102
        digest = self._records.index.digest
        if self._indices is not None:
            digest = hashlib.sha256(digest.encode() + self._indices.astype("<i8").tobytes()).hexdigest()
        if self._labels is not None:
            digest = hashlib.sha256(digest.encode() + self._labels.astype("<i4").tobytes()).hexdigest()
        return digest

    @property
    def stored(self) -> tuple[Records, np.ndarray]:
        """Returns the stored examples, and which of them this source shows: int64 [len]."""
        return self._records, np.arange(len(self._records)) if self._indices is None else self._indices

    def read(self, indices: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        """Returns the records behind some examples, their images still encoded."""
        indices = self._checked(indices)
        return self._records.read(indices if self._indices is None else self._indices[indices])

    def decode(self, record: Mapping[str, Any]) -> np.ndarray:
        """Decodes the image of a record: uint8 `image_shape`."""
        try:
            image = decode(record["image"], self._image_size, self.image_shape[2], self.resize)
        except BadImage as error:
            raise UserError(
                f"an image of {self.name} is damaged ({error}): run python -m ferjax prepare {self.name}"
            ) from error
        return image


def rows(images: np.ndarray, targets: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns a batch of examples that lie in arrays; the indices are known to be good."""
    # "clip" spares NumPy a second look at the indices, a quarter of the time.
    return {"image": images.take(indices, axis=0, mode="clip"), "label": targets[indices]}


def extras(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a record holds beside image and label; text comes as `str`."""
    return {
        key: value.decode() if isinstance(value, bytes) else value
        for key, value in record.items()
        if key not in ("image", "label")
    }
