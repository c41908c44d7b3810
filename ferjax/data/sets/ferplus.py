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
from ferjax.data.builders.text_files import table
from ferjax.data.images import encode_png
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


@data_set("ferplus")
class FERPlus(LicensedBuilder, skip_registration=True):
    """TFDS builder of FERPlus: 48×48 grey, the majority as `label`.

    `votes`: float32 [8], in fer8 order, the shares of the classes among the votes that count; they sum to 1.
    """

    name = "ferplus"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FERPlus, FER2013 with ten votes an image in eight classes."
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{VOTES} and beside it {' or '.join(CSV_NAMES)}"
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
        if images is None or not (folder / VOTES).is_file():
            raise self.missing(folder)
        votes = inside(folder, folder / VOTES)
        columns = ("usage", "image name", *(name.lower() for name in (*FERPLUS_COLUMNS, *NO_CLASS)))
        unnamed, undecided = Counter(), Counter()
        # The lists have nothing in common but their order, so a bad row of either may not shift it.
        for image_row, vote_row in zip_longest(pixel_rows(images), table(votes, columns)):
            if image_row is None or vote_row is None:
                raise UserError(
                    f"{votes} and {images} have not the same number of rows: they do not belong together"
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
                    f"{split}: the rows of the two files are not in the same order"
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
        for count, why in ((unnamed, "have no image name"), (undecided, "have no majority for a class")):
            counts = " / ".join(str(count[split]) for split in USAGES.values())
            self.notes.append(f"left out (train / validation / test): {counts} {why}")


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
