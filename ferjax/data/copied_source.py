"""A source whose examples are those of another one, with their images kept in another place."""

from typing import Generic, TypeVar

import numpy as np

from ferjax.data.sources import Source
from ferjax.data.split_index import Key

Original = TypeVar("Original", bound=Source)


class CopiedSource(Source, Generic[Original]):
    """Says of its examples what the original says; a subclass keeps the images, and gives them out.

    Args:
        original: the source that was copied.
    """

    def __init__(self, original: Original) -> None:
        self.name, self.split = original.name, original.split
        self.label_names, self.image_shape = original.label_names, original.image_shape
        self.grey, self.affect, self.replaced = original.grey, original.affect, original.replaced
        self.mixture = original.mixture
        self._original = original
        self._labels = original.labels

    def __len__(self) -> int:
        return len(self._original)

    @property
    def labels(self) -> np.ndarray:  # noqa: D102
        return self._labels

    @property
    def attributes(self) -> dict[str, Key]:  # noqa: D102
        return self._original.attributes

    def digest(self) -> str:  # noqa: D102
        return self._original.digest()
