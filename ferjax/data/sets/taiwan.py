"""The Taiwan corpora ("Asian set" of Huang et al., 2023): 1,197 posed faces, six classes, no neutral."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder, class_folders
from ferjax.data.builders.reconciled import unread
from ferjax.data.labels import WORDS
from ferjax.registry import data_set

# The codes in a file name.
TAIWAN_CODES: dict[str, str] = {
    "ng": "neutral",
    "ag": "angry",
    "dg": "disgust",
    "fg": "fear",
    "hg": "happy",
    "sg": "sad",
    "pg": "surprise",
}
_CODE = re.compile(rf"(?<![a-z])({'|'.join(TAIWAN_CODES)})(?![a-z])")
DEEPEST = 4


@data_set("taiwan")
class Taiwan(ImageSetBuilder, skip_registration=True):
    """TFDS builder of the Taiwan corpora: test only, images of any size.

    The classes are fer7's, and neutral is empty: a network is scored with its neutral masked.
    """

    name = "taiwan"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "Taiwanese corpora of posed expressions, six classes."
    SOURCE = "Huang et al. (2023)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"a folder for each class, or images with a code in the name ({', '.join(TAIWAN_CODES)})"
    )
    FIRST_SPLIT = "test"
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "test": {
            "angry": 245,
            "disgust": 199,
            "fear": 27,
            "happy": 243,
            "sad": 263,
            "surprise": 220,
            "total": 1197,
        }
    }

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the images of the class folders, or every image with a code in its name."""
        names = WORDS | TAIWAN_CODES
        if any(path.name.lower() in names for path in subfolders(folder, folder)):
            read = set()
            for place, label in class_folders(folder, folder, names):
                for path in image_paths(folder, place):
                    read.add(path)
                    yield Item("test", path, label, path.relative_to(folder).as_posix())
            self.notes += unread(folder, read)
            return
        read = set()
        for path in _all_images(folder, folder):
            read.add(path)
            codes = set(_CODE.findall(path.stem.lower()))
            if len(codes) != 1:
                self.reject(str(path), f"{len(codes)} of the codes {', '.join(TAIWAN_CODES)} in the name")
                continue
            yield Item("test", path, TAIWAN_CODES[codes.pop()], path.relative_to(folder).as_posix())
        if not read:
            raise self.missing(folder)
        self.notes += unread(folder, read)


def _all_images(folder: Path, place: Path, depth: int = DEEPEST) -> Iterator[Path]:
    yield from image_paths(folder, place)
    if depth:
        for below in subfolders(folder, place):
            yield from _all_images(folder, below, depth - 1)
