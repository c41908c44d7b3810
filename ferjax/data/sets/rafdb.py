"""RAF-DB, basic expressions (Li et al., 2017): 15,339 aligned faces from the web, seven classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import image_paths
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder, class_folders
from ferjax.data.builders.text_files import lines
from ferjax.files import inside
from ferjax.registry import data_set

# The codes of the list, and the names of the folders in re-packed copies.
RAFDB_CODES: dict[str, str] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}
LIST = "EmoLabel/list_patition_label.txt"  # spelt so
ALIGNED = "Image/aligned"
_NAME = re.compile(r"(train|test)_\d+\.jpg")


@data_set("rafdb")
class RAFDB(ImageSetBuilder, skip_registration=True):
    """TFDS builder of the basic part of RAF-DB: the aligned faces, 100×100 RGB, as they are."""

    name = "rafdb"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "RAF-DB (basic), aligned faces from the web in seven classes."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"basic/{LIST} with basic/{ALIGNED}/, or the folders train/ and test/ with a folder for each of 1 … 7"
    )
    IMAGE_SHAPE = (100, 100, 3)
    SIZE_AS_DISTRIBUTED = 100
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 705,
            "disgust": 717,
            "fear": 281,
            "happy": 4772,
            "sad": 1982,
            "surprise": 1290,
            "neutral": 2524,
            "total": 12271,
        },
        "test": {
            "angry": 162,
            "disgust": 160,
            "fear": 74,
            "happy": 1185,
            "sad": 478,
            "surprise": 329,
            "neutral": 680,
            "total": 3068,
        },
    }

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields what the list names, or what the class folders hold."""
        for place in (folder, folder / "basic"):
            if (place / LIST).is_file() and (place / ALIGNED).is_dir():
                return self._from_list(folder, place)
        for place in (folder, folder / "DATASET"):
            if (place / "train").is_dir() and (place / "test").is_dir():
                return self._from_folders(folder, place)
        raise self.missing(folder)

    def _from_list(self, folder: Path, place: Path) -> Iterator[Item]:
        path = inside(folder, place / LIST)
        for number, line in lines(path):
            where = f"{path} line {number}"
            name, _, code = line.strip().partition(" ")
            if not _NAME.fullmatch(name):
                self.reject(where, f"{name[:60]!r} is not a name like train_00001.jpg")
                continue
            if label := self.meaning(RAFDB_CODES, code.strip(), where):
                # The list says x.jpg; the file is x_aligned.jpg.
                file = inside(folder, place / ALIGNED / name.replace(".jpg", "_aligned.jpg"))
                yield Item(name.partition("_")[0], file, label, name)

    def _from_folders(self, folder: Path, place: Path) -> Iterator[Item]:
        for split in ("train", "test"):
            for class_folder, label in class_folders(folder, place / split, RAFDB_CODES):
                for path in image_paths(folder, class_folder):
                    yield Item(split, path, label, path.relative_to(place).as_posix())
