"""FER2013 (Goodfellow et al., 2013): 35,887 grey faces of 48×48 pixels, seven classes.

Copies have one of three layouts: `fer2013.csv`, `icml_face_data.csv`
(padded column names in another order) and image folders, see `builders.fer2013_folders`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ferjax.data.builders.base import LicensedBuilder
from ferjax.data.builders.fer2013_folders import FER2013_FOLDERS, find_place, list_copy
from ferjax.data.builders.image_files import load_image
from ferjax.data.builders.text_files import lines
from ferjax.data.images import BadImage, encode_png
from ferjax.data.labels import FER7, WORDS
from ferjax.errors import UserError
from ferjax.files import inside, text_of
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
    - `id`: where it came from, `fer2013.csv:LINE` or the file's path in the copy, as `train/CLASS/FILE`.
    """

    name = "fer2013"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FER2013, facial expressions from the web in seven classes."
    SOURCE = "Goodfellow et al. (2013)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "fer2013.csv, icml_face_data.csv (either may lie in a folder fer2013/), "
        f"or class folders ({', '.join(FER2013_FOLDERS)}) in train/, test/ and perhaps validation/, or "
        "without these if the images are named Training_N, PublicTest_N and PrivateTest_N"
    )
    IMAGE_SHAPE = (SIDE, SIDE, 1)
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "made_up": (
            "drop",
            "folders: drop or keep the images that somebody made from others (Training_1.jpg5.jpg)",
        )
    }
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
        "validation": {
            "angry": 467,
            "disgust": 56,
            "fear": 496,
            "happy": 895,
            "sad": 653,
            "surprise": 415,
            "neutral": 607,
            "total": 3589,
        },
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
        if self.options["made_up"] not in ("drop", "keep"):
            raise UserError(f"option made_up={self.options['made_up'][:40]}: it takes drop or keep")
        counts: Counter[tuple[str, int | str]] = Counter()
        for split, example in self._of_layout(folder):
            counts[split, example["label"]] += 1
            yield split, example
        self._compare(counts)

    def _of_layout(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        path, place = find_csv(folder), find_place(folder)
        if path:
            if place:
                self.notes.append(f"{path.name} was read; the folders of images beside it were not")
            return self._from_csv(path)
        if place:
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
        splits, by_folder = set(), 0
        keep = self.options["made_up"] == "keep"
        for item in list_copy(folder, place, keep_made_up=keep, note=self.notes.append, reject=self.reject):
            try:
                image = load_image(item.path, channels=1).picture.image
                if image.size != (SIDE, SIDE):
                    raise BadImage(f"{image.width}×{image.height} pixels, expected {SIDE}×{SIDE}")
            except BadImage as error:
                self.reject(text_of(item.path), error)
                continue
            splits.add(item.split)
            by_folder += item.split == "test" and not item.official
            where = text_of(item.path.relative_to(place), "backslashreplace")
            pixels = np.asarray(image)[:, :, None]
            yield item.split, {"image": encode_png(pixels), "label": item.label, "id": where}
        if "validation" not in splits:
            self.notes.append(
                "image folders have no validation split: one is carved out of train when it is loaded"
            )
        if by_folder > self.PUBLISHED["test"]["total"]:
            self.notes.append(
                f"test/ holds {by_folder} images: this copy merges PublicTest into PrivateTest, so test "
                "scores are not comparable with those on the official 3589"
            )

    def _compare(self, counts: Mapping[tuple[str, int | str], int]) -> None:
        """Notes whether every class of every split has the published number of images."""
        found: dict[str, Counter[str]] = {split: Counter() for split in self.PUBLISHED}
        for (split, label), count in counts.items():
            found[split][label if isinstance(label, str) else self.LABELS[label]] += count
        agree = []
        for split, published in self.PUBLISHED.items():
            differing = [
                f"{name} {found[split][name]} for {published[name]}"
                for name in self.LABELS
                if name in published and found[split][name] != published[name]
            ]
            if not differing:
                agree.append(split)
            elif found[split]:
                self.notes.append(f"{split} has not the published numbers of images: {', '.join(differing)}")
        if agree:
            self.notes.append(f"every class has its published number of images in {', '.join(agree)}")


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
        code = fields[emotion_at]
        # Some copies name the classes; a name, unlike a number, means the same in all.
        name = codes.get(code, WORDS.get(code.lower()))
        if name not in labels:
            raise ValueError(f"label {code[:20]!r} is not one of 0 … {len(codes) - 1}")
        label = labels.index(name)
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
