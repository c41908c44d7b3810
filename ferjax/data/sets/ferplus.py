"""FERPlus (Barsoum et al., 2016): the images of FER2013 with ten votes each, eight classes."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ferjax.data.builders.base import LicensedBuilder
from ferjax.data.builders.image_files import folder_that, load_image
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.text_files import table
from ferjax.data.images import BadImage, encode_png
from ferjax.data.labels import FER8
from ferjax.data.sets.fer2013 import CSV_NAMES, SIDE, USAGES, find_csv, pixel_rows
from ferjax.errors import UserError
from ferjax.files import inside
from ferjax.registry import data_set

VOTES = "fer2013new.csv"
# The columns of fer2013new.csv that are classes; `unknown` and `NF` (no face) are not.
FERPLUS_COLUMNS: dict[str, str] = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
}
NO_CLASS = ("unknown", "NF")
# The authors' own layout: a folder of pictures for each split, and a list without a first line of names.
PICTURE_FOLDERS = {"FER2013Train": "train", "FER2013Valid": "validation", "FER2013Test": "test"}
PICTURE_LIST = "label.csv"
PICTURE_COLUMNS = ("image name", "box", *FERPLUS_COLUMNS, *(name.lower() for name in NO_CLASS))


@data_set("ferplus")
class FERPlus(LicensedBuilder, skip_registration=True):
    """TFDS builder of FERPlus: 48×48 grey, the majority as `label`.

    `votes`: float32 [8], in fer8 order, the shares of the classes among the votes that count; they sum to 1.
    """

    name = "ferplus"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FERPlus, FER2013 with ten votes an image in eight classes."
    SOURCE = "Barsoum et al. (2016); Goodfellow et al. (2013)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"{VOTES} and beside it {' or '.join(CSV_NAMES)}, or FER2013Train/, FER2013Valid/ and FER2013Test/ "
        f"with pictures and {PICTURE_LIST}"
    )
    LABELS = FER8
    IMAGE_SHAPE = (SIDE, SIDE, 1)
    EXTRAS: ClassVar[dict[str, Any]] = {"votes": tfds.features.Tensor(shape=(len(FER8),), dtype=np.float32)}
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {"total": 25060},
        "validation": {"total": 3199},
        "test": {"total": 3153},
    }

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (split, example) of the images that have a name and a majority."""
        images = find_csv(folder)
        if images is None and (place := find_pictures(folder)):
            return self._from_pictures(folder, place)
        if images is None or not (folder / VOTES).is_file():
            raise self.missing(folder)
        return self._from_rows(folder, images)

    def _from_rows(self, folder: Path, images: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        votes = inside(folder, folder / VOTES)
        columns = ("usage", "image name", *(name.lower() for name in (*FERPLUS_COLUMNS, *NO_CLASS)))
        unnamed, undecided = Counter(), Counter()
        # The lists have nothing in common but their order, so a bad row of either may not shift it.
        for image_row, vote_row in zip_longest(pixel_rows(images), table(votes, columns)):
            if image_row is None or vote_row is None:
                raise UserError(
                    f"{votes} and {images} have not the same number of rows, so they do not belong together: "
                    "fetch both again, unchanged"
                )
            (image_line, image), (line, row) = image_row, vote_row
            where = f"{votes} line {line}"
            if isinstance(image, ValueError):
                self.reject(f"{images} line {image_line}", image)
                continue
            if isinstance(row, ValueError):
                self.reject(where, row)
                continue
            split = image[0]
            if USAGES.get(row["usage"]) != split:
                raise UserError(
                    f"{where} is of Usage {row['usage'][:20]!r}, and line {image_line} of {images.name} of "
                    f"{split}: the rows of the two files are not in the same order; fetch both again"
                )
            if not row["image name"]:
                unnamed[split] += 1
                continue
            try:
                decided = majority(row)
            except ValueError as error:
                self.reject(where, error)
                continue
            if decided is None:
                undecided[split] += 1
                continue
            label, shares = decided
            yield (
                split,
                {"image": encode_png(image[1]), "label": label, "id": row["image name"], "votes": shares},
            )
        self._note_left_out(unnamed, "have no image name")
        self._note_left_out(undecided, "have no majority for a class")

    def _from_pictures(self, folder: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the images of the authors' folders, whose label.csv has a line of votes for each."""
        undecided, read = Counter(), set()
        for name, split in PICTURE_FOLDERS.items():
            votes = place / name / PICTURE_LIST
            if not votes.is_file():
                continue
            for number, row in self.rows(inside(folder, votes), (), headless=PICTURE_COLUMNS):
                where = f"{votes} line {number}"
                path = inside(folder, votes.parent / row["image name"])
                read.add(path)
                try:
                    decided = majority(row)
                    image = load_image(path, channels=1).picture.image
                    if image.size != (SIDE, SIDE):
                        raise BadImage(f"{image.width}×{image.height} pixels, expected {SIDE}×{SIDE}")
                except ValueError as error:
                    self.reject(f"{where}: {row['image name'][:60]}", error)
                    continue
                if decided is None:
                    undecided[split] += 1
                    continue
                pixels = encode_png(np.asarray(image)[:, :, None])
                label, shares = decided
                yield split, {"image": pixels, "label": label, "id": row["image name"], "votes": shares}
        self._note_left_out(undecided, "have no majority for a class")
        self.notes += unread(place, read, f"as no {PICTURE_LIST} names them")

    def _note_left_out(self, count: Mapping[str, int], why: str) -> None:
        counts = " / ".join(str(count[split]) for split in USAGES.values())
        self.notes.append(f"left out (train / validation / test): {counts} {why}")


def find_pictures(folder: Path) -> Path | None:
    """Returns the folder that holds the authors' folders of pictures with their lists, None without one."""
    place = folder_that(folder, lambda names: "FER2013Train" in names, deepest=2)
    return place if place and (place / "FER2013Train" / PICTURE_LIST).is_file() else None


def majority(row: Mapping[str, str]) -> tuple[str, np.ndarray] | None:
    """Decides on an image as the authors' code does.

    Single votes count for nothing. Of the others, more than half must be for one thing, and that a class.

    Args:
        row: column in lower case → votes, a whole number.

    Returns:
        (class, float32 [8] shares of the classes in fer8 order), None where there is no such majority.

    Raises:
        ValueError: the votes for a class are no whole number, or more than anybody collects.
    """
    votes = {}
    for column in (*FERPLUS_COLUMNS, *NO_CLASS):
        text = row[column.lower()]
        if not re.fullmatch(r"[0-9]{1,4}", text):
            raise ValueError(f"votes {text[:20]!r} for {column} are not a whole number below 10,000")
        votes[column] = int(text) if int(text) > 1 else 0
    first = max(votes, key=votes.__getitem__)
    if first in NO_CLASS or 2 * votes[first] <= sum(votes.values()):
        return None
    shares = np.zeros(len(FER8), np.float32)
    for column, name in FERPLUS_COLUMNS.items():
        shares[FER8.index(name)] = votes[column]
    return FERPLUS_COLUMNS[first], shares / shares.sum()
