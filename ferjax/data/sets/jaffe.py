"""JAFFE (Lyons et al., 1998): 213 grey images of ten Japanese women, seven classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import image_paths
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder
from ferjax.data.builders.reconciled import unread
from ferjax.errors import listed
from ferjax.files import text_of
from ferjax.registry import data_set

# The letters after the subject in a file name.
JAFFE_CODES: dict[str, str] = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
# KA.AN1.39.tiff: subject, emotion and take, index
_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+")


@data_set("jaffe")
class JAFFE(ImageSetBuilder, skip_registration=True):
    """TFDS builder of JAFFE: 256×256 grey. `group` is the woman."""

    name = "jaffe"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "JAFFE, posed expressions of ten Japanese women in seven classes."
    SOURCE = "Lyons et al. (1998)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = "files named like KA.AN1.39.tiff (they may lie in a folder jaffe/)"
    IMAGE_SHAPE = (256, 256, 1)
    SIZE_AS_DISTRIBUTED = 256
    GROUPED = True
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 30,
            "disgust": 29,
            "fear": 32,
            "happy": 31,
            "sad": 31,
            "surprise": 30,
            "neutral": 30,
            "total": 213,
        }
    }

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the images by name; those that are not named as JAFFE's are counted in a note."""
        for place in (folder, folder / "jaffe"):
            if place.is_dir() and any(_NAME.fullmatch(path.stem) for path in image_paths(folder, place)):
                return self._from(folder, place)
        raise self.missing(folder)

    def _from(self, folder: Path, place: Path) -> Iterator[Item]:
        self.note_no_splits("subject:KA")
        strays = []
        for path in image_paths(folder, place):
            parts = _NAME.fullmatch(path.stem)
            if parts is None:
                strays.append(text_of(path.name))
            elif label := self.meaning(JAFFE_CODES, parts[2], str(path)):
                yield Item("train", path, label, path.name, group=parts[1])
        if strays:
            self.notes.append(f"left out, not named as JAFFE's images are: {listed(strays, most=10)}")
        self.notes += unread(folder, set(image_paths(folder, place)))
