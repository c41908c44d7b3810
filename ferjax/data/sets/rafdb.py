"""RAF-DB, basic expressions (Li et al., 2017): 15,339 aligned faces from the web, seven classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data.attributes import FEATURE, encode
from ferjax.data.builders.image_files import folder_that, image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder, class_folders
from ferjax.data.builders.list_columns import split_of
from ferjax.data.builders.manual_annotations import ManualAnnotations
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.split_folders import ORDER, split_folders
from ferjax.data.builders.text_files import fields, lines
from ferjax.data.labels import FER7, WORDS
from ferjax.errors import UserError
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
CLASS_NAMES: dict[str, str] = {word: name for word, name in WORDS.items() if name in FER7}
LIST = "EmoLabel/list_patition_label.txt"  # spelt so
ALIGNED = "Image/aligned"
# Codes that the compound part has besides; and the part of a list that may be of them by mistake.
COMPOUND_CODES = ("8", "9", "10", "11")
MOST_STRAY = 0.05
_NAME = re.compile(r"(train|test)_\d+\.jpg")


@data_set("rafdb")
class RAFDB(ImageSetBuilder, skip_registration=True):
    """TFDS builder of the basic part of RAF-DB: the aligned faces, 100×100 RGB, as they are.

    Its attributes are gender, race and age, where the copy has the manual annotations.
    """

    name = "rafdb"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "RAF-DB (basic), aligned faces from the web in seven classes."
    SOURCE = "Li et al. (2017)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"basic/{LIST} with basic/{ALIGNED}/, or the folders train/ and test/ with a folder for each of "
        "1 … 7, or with the images and train_labels.csv and test_labels.csv beside them"
    )
    IMAGE_SHAPE = (100, 100, 3)
    SIZE_AS_DISTRIBUTED = 100
    EXTRAS: ClassVar[dict[str, Any]] = {FEATURE: tfds.features.Text()}
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
        """Yields what the list names, or what the class folders hold, or what Kaggle's lists name."""
        for place in (folder, folder / "basic"):
            if (place / LIST).is_file() and (place / ALIGNED).is_dir():
                return self._from_list(folder, place)
        place = folder_that(folder, lambda names: "train" in map(split_of, names), deepest=2)
        if place:
            if any(subfolders(folder, path) for _, path in split_folders(folder, place)):
                return self._from_folders(folder, place)
            if lists := _kaggle_lists(folder, place):
                return self._from_kaggle(folder, place, lists)
        raise self.missing(folder)

    def _from_list(self, folder: Path, place: Path) -> Iterator[Item]:
        path = inside(folder, place / LIST)
        self._refuse_compound(place, path)
        annotations = ManualAnnotations(folder, place)
        read = set()
        for number, line in lines(path):
            where = f"{path} line {number}"
            name, _, code = line.strip().partition(" ")
            if not _NAME.fullmatch(name):
                self.reject(where, f"{name[:60]!r} is not a name like train_00001.jpg")
                continue
            # The list says x.jpg; the file is x_aligned.jpg.
            file = inside(folder, place / ALIGNED / name.replace(".jpg", "_aligned.jpg"))
            read.add(file)
            if label := self.meaning(RAFDB_CODES, code.strip(), where):
                extras = {FEATURE: encode(annotations.of(name))}
                yield Item(name.partition("_")[0], file, label, name, extras=extras)
        self.notes += annotations.notes()
        self.notes += unread(place / ALIGNED, read, "as the list does not name them")

    def _refuse_compound(self, place: Path, path: Path) -> None:
        """Raises UserError for the list of the compound part: its codes mean other things."""
        codes = [line.split()[-1] for _, line in lines(path)]
        beyond = [code for code in codes if code in COMPOUND_CODES]
        many = len(beyond) > MOST_STRAY * len(codes) and len(set(beyond)) > 1
        many &= set(codes) <= {*RAFDB_CODES, *COMPOUND_CODES}
        if place.resolve().name.lower() == "compound" or many:
            raise UserError(
                f"{path} is of RAF-DB's compound part, whose codes 1 … 11 are pairs of emotions, so that "
                "none of them means what it does in the basic part: give the folder of that"
            )

    def _from_folders(self, folder: Path, place: Path) -> Iterator[Item]:
        read, splits = set(), set()
        annotations = ManualAnnotations(folder, place)
        for split, split_folder in split_folders(folder, place):
            # A name means the same in all copies; a number is RAF-DB's code only where all are.
            numbered = any(path.name.isdecimal() for path in subfolders(folder, split_folder))
            names = RAFDB_CODES if numbered else CLASS_NAMES
            for class_folder, label in class_folders(folder, split_folder, names):
                for path in image_paths(folder, class_folder):
                    read.add(path)
                    splits.add(split)
                    extras = {FEATURE: encode(annotations.of(path.name))}
                    yield Item(split, path, label, path.relative_to(place).as_posix(), extras=extras)
        self.notes += annotations.notes()
        if "validation" in splits:
            self.notes.append(
                "RAF-DB has no official validation split: the one of this copy was stored as it is"
            )
        self.notes += unread(folder, read)

    def _from_kaggle(self, folder: Path, place: Path, lists: list[tuple[str, Path]]) -> Iterator[Item]:
        """Yields what train_labels.csv and test_labels.csv name, files in the folders train/ and test/."""
        read = set()
        annotations = ManualAnnotations(folder, place)
        places = dict(split_folders(folder, place))
        for split, path in lists:
            if split not in places:
                raise UserError(
                    f"{path} lists images of {split}, and {place} has no folder {split}/: unpack them there"
                )
            for number, row in self.rows(path, ("image", "label")):
                where = f"{path} line {number}"
                file = inside(folder, places[split] / row["image"])
                read.add(file)
                if label := self.meaning(RAFDB_CODES, row["label"], where):
                    yield Item(
                        split,
                        file,
                        label,
                        file.relative_to(place).as_posix(),
                        where=f"{where}: {file}",
                        extras={FEATURE: encode(annotations.of(file.name))},
                    )
        self.notes += annotations.notes()
        self.notes += unread(folder, read, "as no list names them")


def _kaggle_lists(folder: Path, place: Path) -> list[tuple[str, Path]]:
    """Returns (split, file) of the lists beside the splits' folders, or one level above."""
    found = []
    for where in (place, place.parent):
        if where.is_relative_to(folder):
            for path in sorted(where.glob("*_labels.csv")):
                split = split_of(path.name.removesuffix("_labels.csv"))
                first = next(lines(inside(folder, path)), (1, ""))[1] if split and path.is_file() else ""
                if split and {"image", "label"} <= set(fields(first.lower())):
                    found.append((split, path))
    return sorted(found, key=lambda pair: ORDER.index(pair[0]))
