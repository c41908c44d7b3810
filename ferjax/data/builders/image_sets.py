"""What the builders of sets of image files share: they list the files, and this reads and checks them."""

import abc
import dataclasses
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from ferjax.data.builders.base import LicensedBuilder
from ferjax.data.builders.image_files import Box, Stored, read_image, subfolders
from ferjax.data.images import BadImage
from ferjax.errors import UserError

# Images that are read ahead: enough for every core, few enough for the memory.
AHEAD = 64


@dataclasses.dataclass(frozen=True)
class Item:
    """One example that a set lists.

    Attributes:
        split: "train", "validation" or "test".
        path: the image file, checked with `inside`.
        label: a class of the builder.
        id: where it came from, unique in the set.
        group: the person or the source image; empty where it is not known.
        box: what is cut out: left, top, right, bottom in pixels; the whole image if left out.
        margin: what is added around the box, see `read_image`.
        where: what messages call it; the path if left out.
        extras: the values of the builder's `EXTRAS`.
    """

    split: str
    path: Path
    label: str
    id: str
    group: str = ""
    box: Box | None = None
    margin: float = 0.0
    where: str = ""
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class ImageSetBuilder(LicensedBuilder, skip_registration=True):
    """Builds a set of image files.

    Attributes:
        SIZE_AS_DISTRIBUTED: height and width of every image of the published set; others are resized and
            counted in a note. None where sizes differ.
    """

    SIZE_AS_DISTRIBUTED: ClassVar[int | None] = None

    @abc.abstractmethod
    def items(self, folder: Path) -> Iterator[Item]:
        """Yields what the set lists, in its order; `folder` exists and holds the user's files."""

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (split, example) in the order of `items`; images are read ahead by threads."""
        resized = 0
        for item, result in _ahead(self.items(folder), self._read):
            try:
                stored = result.result()
            except BadImage as error:
                self.lose(item.where or str(item.path), error)
                continue
            wanted = self.SIZE_AS_DISTRIBUTED
            resized += item.box is None and wanted is not None and stored.size != (wanted, wanted)
            group = {"group": item.group} if self.GROUPED else {}
            example = {"image": stored.encoded, "label": item.label, "id": item.id, **group, **item.extras}
            yield item.split, example
        if resized:
            self.notes.append(f"{resized} images were not of {wanted}×{wanted} pixels and were resized")

    def _read(self, item: Item) -> Stored:
        side, _, channels = self.IMAGE_SHAPE
        return read_image(item.path, side=side, channels=channels, box=item.box, margin=item.margin)


def class_folders(folder: Path, place: Path, names: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Returns the folders in `place`, each with the class that its name (in any case) stands for.

    Raises:
        UserError: some are not named after a class; all of them are told.
    """
    found = subfolders(folder, place)
    unknown = [path for path in found if path.name.lower() not in names]
    if unknown:
        others = f" (nor are {', '.join(path.name for path in unknown[1:11])})" if unknown[1:] else ""
        raise UserError(f"{unknown[0]} is not named after a class{others}; expected {', '.join(names)}")
    return [(path, names[path.name.lower()]) for path in found]


def _ahead(items: Iterator[Item], read: Any) -> Iterator[tuple[Item, "Future[Stored]"]]:
    """Yields every item with its image, in order."""
    waiting: deque[tuple[Item, Future[Stored]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(read, item)))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()
