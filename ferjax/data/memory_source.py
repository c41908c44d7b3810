"""Sources whose examples lie decoded in memory."""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ferjax.data.records import CHUNK
from ferjax.data.sources import Source, StreamSource, extras, rows
from ferjax.data.split_index import Key
from ferjax.errors import UserError
from ferjax.platform.memory import machine_memory
from ferjax.platform.progress_bar import progress

# Of the machine's memory, the share that decoded images may fill.
MEMORY_SHARE = 0.8


class MemorySource(Source):
    """Holds every image decoded, in one array.

    Args:
        images: uint8 [N, H, W, C].
        labels: int [N].
        label_names: the class of each label.
        name: the set's name.
        split: the split's name.
        others: the other values of each example; none if left out.
        targets: float32 [N, K], what `take` gives as labels; `labels` if left out.
        digest: of the data that the arrays were read from; of the arrays themselves if left out.
        grey: see `Source`; whether the images have one channel if left out.
        affect: see `Source`.
        replaced: see `Source`.
        attributes: see `Source`; none if left out.
    """

    quick = True  # one copy

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        label_names: Sequence[str],
        name: str,
        split: str,
        others: Sequence[Mapping[str, Any]] | None = None,
        targets: np.ndarray | None = None,
        digest: str | None = None,
        grey: bool | None = None,
        affect: np.ndarray | None = None,
        replaced: int = 0,
        attributes: Mapping[str, Key] | None = None,
    ) -> None:
        self.affect = affect
        self.name = name
        self.split = split
        self.label_names = tuple(label_names)
        height, width, channels = images.shape[1:]
        self.image_shape = (height, width, channels)
        self.grey = channels == 1 if grey is None else grey
        self.replaced = replaced
        self._images = images
        self._labels = np.asarray(labels, np.int32)
        self._others = others
        self._targets = self._labels if targets is None else targets
        self._digest = digest
        self._attributes = dict(attributes or {})

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self._checked([index])
        others = self._others[index] if self._others else {}
        return {**others, "image": self._images[index], "label": self._labels[index]}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        indices = self._checked(indices)
        return self.with_affect(rows(self._images, self._targets, indices), indices)

    @property
    def labels(self) -> np.ndarray:  # noqa: D102
        return self._labels

    @property
    def attributes(self) -> dict[str, Key]:  # noqa: D102
        return self._attributes

    def digest(self) -> str:  # noqa: D102
        if self._digest is None:
            self._digest = hashlib.sha256(
                self._labels.astype("<i4").tobytes() + self._images.tobytes()
            ).hexdigest()
        return self._digest


def check_fits(streams: Sequence[Source]) -> None:
    """Checks that the decoded images of some splits fit in memory together.

    Raises:
        UserError: the machine has too little memory.
    """
    needed = sum(len(stream) * math.prod(stream.image_shape) for stream in streams)
    total = machine_memory()
    if needed > MEMORY_SHARE * total:
        splits = " and ".join(stream.split for stream in streams)
        raise UserError(
            f"{streams[0].name} {splits} takes {needed / 2**30:.0f} GiB in memory and this machine has "
            f"{total / 2**30:.0f}: use cache='disk' or 'stream', or a smaller image_size"
        )


def into_memory(stream: StreamSource) -> MemorySource:
    """Decodes a whole stream, on every core, into one array.

    Raises:
        UserError: the machine has too little memory.
    """
    check_fits([stream])
    shape = (len(stream), *stream.image_shape)
    images = np.empty(shape, np.uint8)
    targets = stream.targets([], [])
    targets = np.empty((len(stream), *targets.shape[1:]), targets.dtype)
    others: list[dict[str, Any]] = [{}] * len(stream)

    def fill(start: int) -> int:
        stop = min(start + CHUNK, len(stream))
        records = stream.read(range(start, stop))
        for place, record in enumerate(records, start):
            images[place] = stream.decode(record)
            others[place] = extras(record)
        targets[start:stop] = stream.targets(records, range(start, stop))
        return stop - start

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(f"decoding {stream.name} {stream.split}", "images", total=len(stream)) as bar,
    ):
        for done in pool.map(fill, range(0, len(stream), CHUNK)):
            bar.update(done)
    return MemorySource(
        images,
        stream.labels,
        label_names=stream.label_names,
        name=stream.name,
        split=stream.split,
        others=others,
        targets=targets,
        digest=stream.digest(),
        grey=stream.grey,
        affect=stream.affect,
        replaced=stream.replaced,
        attributes=stream.attributes,
    )
