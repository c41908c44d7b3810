"""Describes one listed image file, and reads it into an example."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ferjax.data.builders.image_files import Box, read_image
from ferjax.data.images import BadImage
from ferjax.files import text_of


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
        where: its name in messages; the path if left out.
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

    @property
    def name(self) -> str:
        """Returns its name in messages."""
        return text_of(self.where or self.path)


class Read(NamedTuple):
    """The outcome of reading an item.

    Attributes:
        example: as it is stored; None if the image is missing or unreadable.
        why: the reason then.
        resized: whether the image had another size than the set is distributed in.
    """

    example: dict[str, Any] | None
    why: str = ""
    resized: bool = False


@dataclasses.dataclass(frozen=True)
class ItemReader:
    """Reads the image of an item; small, so that it can be sent to other processes.

    Attributes:
        side: see `read_image`.
        channels: see `read_image`.
        grouped: whether examples have a `group`.
        distributed: height and width of the published images, or None.
    """

    side: int | None
    channels: int
    grouped: bool
    distributed: int | None

    def __call__(self, item: Item) -> Read:
        """Reads one image."""
        try:
            stored = read_image(
                item.path, side=self.side, channels=self.channels, box=item.box, margin=item.margin
            )
        except BadImage as error:
            return Read(None, str(error))
        group = {"group": _text(item.group)} if self.grouped else {}
        extras = {
            key: _text(value) if isinstance(value, str) else value for key, value in item.extras.items()
        }
        example = {"image": stored.encoded, "label": item.label, "id": _text(item.id), **group, **extras}
        wanted = self.distributed
        return Read(
            example, resized=item.box is None and wanted is not None and stored.size != (wanted, wanted)
        )


def _text(name: str) -> str:
    """Returns a name as the set's texts can hold it, which are UTF-8."""
    return text_of(name, "backslashreplace")
