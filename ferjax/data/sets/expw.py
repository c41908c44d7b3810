"""ExpW (Zhang et al., 2018): 91,793 faces in photographs from the web, seven classes, noisy labels."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.text_files import lines, listed_path
from ferjax.data.sets.fer2013 import FER2013_CODES
from ferjax.errors import UserError
from ferjax.files import inside
from ferjax.registry import data_set

# The last column of label.lst.
EXPW_CODES: dict[str, str] = dict(FER2013_CODES)
LIST = "label/label.lst"
IMAGES = "image/origin"


@data_set("expw")
class ExpW(ImageSetBuilder, skip_registration=True):
    """TFDS builder of ExpW: the faces, cut out and resized to 224×224 RGB.

    `group` is the photograph: several faces come from one, and they belong in one split.
    """

    name = "expw"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "ExpW, faces in photographs from the web in seven classes."
    SOURCE = "Zhang et al. (2018)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{LIST} and {IMAGES}/"
    IMAGE_SHAPE = (224, 224, 3)
    GROUPED = True
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "margin": ("0.1", "what the square around the face box grows by on each side, a part of its side")
    }
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 3671,
            "disgust": 3995,
            "fear": 1088,
            "happy": 30537,
            "sad": 10559,
            "surprise": 7060,
            "neutral": 34883,
            "total": 91793,
        }
    }

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the faces in the order of the list."""
        margin = self.number_option("margin", 0, 2)
        path, images = folder / LIST, folder / IMAGES
        if not path.is_file():
            raise self.missing(folder)
        if not images.is_dir():
            raise UserError(f"{images} is missing: unpack the archives of the images there")
        self.note_no_splits("1/10")
        read: set[Path] = set()
        for number, line in lines(inside(folder, path)):
            where = f"{path} line {number}"
            # name face_id top left right bottom confidence label; the name may hold blanks
            *name, face, top, left, right, bottom, _, code = [""] * (8 - len(line.split())) + line.split()
            name = " ".join(name)
            if not name:
                self.reject(where, f"{len(line.split())} fields, expected 8")
                continue
            try:
                file = inside(images, listed_path(images, name))
            except ValueError as error:
                self.reject(where, error)
                continue
            read.add(file)
            label = self.meaning(EXPW_CODES, code, where)
            if label is None:
                continue
            try:
                box = (float(left), float(top), float(right), float(bottom))
            except ValueError as error:
                self.reject(where, f"the face box is not made of numbers ({error})")
                continue
            yield Item(
                "train",
                file,
                label,
                f"{name}#{face}@{number}",
                group=name,
                box=box,
                margin=margin,
                where=f"{where}: {name}",
            )
        self.notes += unread(images, read, "as the list does not name them")
