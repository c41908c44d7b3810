"""FER2013 (Goodfellow et al., 2013): 35,887 grey faces of 48×48 pixels, seven classes.

Copies have one of three layouts: `fer2013.csv`, `icml_face_data.csv`
(padded column names in another order) and image folders.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ferjax.data.builders.base import LicensedBuilder
from ferjax.data.builders.image_files import image_paths
from ferjax.data.builders.image_sets import class_folders
from ferjax.data.builders.text_files import lines
from ferjax.data.images import BadImage, decode, encode_png
from ferjax.data.labels import FER7
from ferjax.errors import UserError
from ferjax.files import inside
from ferjax.registry import data_set

# The codes in the column `emotion` of its CSV files.
FER2013_CODES: dict[str, str] = {
    "0": "angry",
    "1": "disgust",
    "2": "fear",
    "3": "happy",
    "4": "sad",
    "5": "surprise",
    "6": "neutral",
}
# The folders of its image copies. Names only: a folder called 0 … 6 may be numbered by
# the alphabet, so it is refused.
FER2013_FOLDERS: dict[str, str] = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprise",
}
SIDE = 48
COLUMNS = ("emotion", "pixels", "usage")
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_VALUES = {str(value): value for value in range(256)}


@data_set("fer2013")
class FER2013(LicensedBuilder, skip_registration=True):
    """TFDS builder of FER2013.

    Every example holds

    - `image`: uint8 [48, 48, 1], grey, as PNG;
    - `label`: int64, in fer7 order;
    - `id`: where it came from, `fer2013.csv:LINE` or `train/CLASS/FILE`.
    """

    name = "fer2013"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FER2013, facial expressions from the web in seven classes."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "fer2013.csv, icml_face_data.csv (either may lie in a folder fer2013/), "
        "or the folders train/ and test/ with a folder for each of " + ", ".join(sorted(FER7))
    )
    IMAGE_SHAPE = (SIDE, SIDE, 1)
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 3995,
            "disgust": 436,
            "fear": 4097,
            "happy": 7215,
            "sad": 4830,
            "surprise": 3171,
            "neutral": 4965,
            "total": 28709,
        },
        "validation": {"total": 3589},
        "test": {
            "angry": 491,
            "disgust": 55,
            "fear": 528,
            "happy": 879,
            "sad": 594,
            "surprise": 416,
            "neutral": 626,
            "total": 3589,
        },
    }

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (split, example) of the first layout that `folder` holds."""
        if path := find_csv(folder):
            return self._from_csv(path)
        for place in (folder, folder / "fer2013"):
            if (place / "train").is_dir() and (place / "test").is_dir():
                return self._from_folders(folder, place)
        if (folder / "test.csv").is_file():
            raise UserError(
                f"{folder / 'test.csv'} is the challenge's list without labels, and its train.csv has no "
                "splits; give the folder with icml_face_data.csv, which comes in the same download"
            )
        raise self.missing(folder)

    def _from_csv(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, row in pixel_rows(path):
            if isinstance(row, ValueError):
                self.reject(f"{path} line {number}", row)
                continue
            split, image, label = row
            yield split, {"image": encode_png(image), "label": label, "id": f"{path.name}:{number}"}

    def _from_folders(self, folder: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        self.notes.append(
            "image folders have no validation split: one is carved out of train when it is loaded"
        )
        tested = 0
        for split in ("train", "test"):
            for path, label in _image_files(folder, place / split):
                try:
                    image = decode(path.read_bytes(), channels=1)
                    if image.shape != (SIDE, SIDE, 1):
                        raise BadImage(f"{image.shape[1]}×{image.shape[0]} pixels, expected {SIDE}×{SIDE}")
                except BadImage as error:
                    self.reject(str(path), error)
                    continue
                tested += split == "test"
                yield (
                    split,
                    {
                        "image": encode_png(image),
                        "label": label,
                        "id": path.relative_to(place).as_posix(),
                    },
                )
        if tested > self.PUBLISHED["test"]["total"]:
            self.notes.append(
                f"test/ holds {tested} images: this copy merges PublicTest into PrivateTest, so test scores "
                "are not comparable with those on the official 3589"
            )


def find_csv(folder: Path) -> Path | None:
    """Returns the CSV file of FER2013 in `folder` or in its folder fer2013/, None if there is none."""
    for place in (folder, folder / "fer2013"):
        for name in CSV_NAMES:
            if (place / name).is_file():
                return inside(folder, place / name)
    return None


def pixel_rows(
    path: Path, codes: Mapping[str, str] = FER2013_CODES, labels: tuple[str, ...] = FER7
) -> Iterator[tuple[int, tuple[str, np.ndarray, int] | ValueError]]:
    """Yields (line number, (split, uint8 [48, 48, 1], label)) of a CSV file of pixels.

    Where a line is bad a ValueError stands for the triple.

    Args:
        path: the file; see `COLUMNS`.
        codes: code in the column `emotion` → class.
        labels: the classes, in the order of the labels.
    """
    # Split at commas, not with the csv module: no field holds one, so a stray quote spoils one row only.
    numbered = lines(path)
    _, header = next(numbered, (1, ""))
    parse = _row_parser(path, header, codes, labels)
    for number, line in numbered:
        try:
            yield number, parse(line)
        except ValueError as error:
            yield number, error


def _image_files(folder: Path, split_folder: Path) -> Iterator[tuple[Path, str]]:
    for class_folder, label in class_folders(folder, split_folder, FER2013_FOLDERS):
        for path in image_paths(folder, class_folder):
            yield path, label


def _row_parser(
    path: Path,
    header: str,
    codes: Mapping[str, str] = FER2013_CODES,
    labels: tuple[str, ...] = FER7,
) -> Callable[[str], tuple[str, np.ndarray, int]]:
    """Returns the function that turns a line into (split, uint8 [48, 48, 1], label), or raises ValueError."""
    names = [name.strip().strip('"').lower() for name in header.split(",")]
    lacking = [column for column in COLUMNS if column not in names]
    if lacking:
        hint = "; this is the challenge's test list, which has no labels" if names == ["pixels"] else ""
        raise UserError(
            f"{path} has no column {' and no column '.join(lacking)}: its first line is "
            f"{header.strip()[:80]!r}{hint}"
        )
    emotion_at, pixels_at, usage_at = (names.index(column) for column in COLUMNS)

    def parse(line: str) -> tuple[str, np.ndarray, int]:
        fields = [field.strip().strip('"') for field in line.split(",")]
        if len(fields) != len(names):
            raise ValueError(f"{len(fields)} fields, expected {len(names)}")
        if fields[usage_at] not in USAGES:
            raise ValueError(f"unknown Usage {fields[usage_at][:20]!r}, expected {', '.join(USAGES)}")
        if fields[emotion_at] not in codes:
            raise ValueError(f"label {fields[emotion_at][:20]!r} is not one of 0 … {len(codes) - 1}")
        label = labels.index(codes[fields[emotion_at]])
        return USAGES[fields[usage_at]], _pixels(fields[pixels_at]), label

    return parse


def _pixels(text: str) -> np.ndarray:
    """Turns 2,304 numbers separated by blanks into uint8 [48, 48, 1]; raises ValueError."""
    numbers = text.split()
    if len(numbers) != SIDE * SIDE:
        raise ValueError(f"{len(numbers)} pixels, expected {SIDE * SIDE}")
    try:
        pixels = bytes(map(_VALUES.__getitem__, numbers))
    except KeyError as error:
        raise ValueError(f"pixel {error.args[0][:20]!r} is not an integer of 0 … 255") from None
    return np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 1)
