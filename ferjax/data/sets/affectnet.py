"""AffectNet (Mollahosseini et al., 2017), manual annotations: faces from the web, seven or eight classes.

Copies have one of two layouts: the old one, whole photographs with CSV lists and face boxes, and that of
2021, aligned faces with one .npy file a label.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data.attributes import FEATURE, Values, asked, encode
from ferjax.data.builders.affect_values import FEATURES, UNKNOWN, affect_value
from ferjax.data.builders.image_files import image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder
from ferjax.data.builders.npy_annotations import read_label, read_text
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.split_folders import split_folders
from ferjax.data.builders.text_files import header, listed_path
from ferjax.data.labels import FER8, WORDS
from ferjax.errors import UserError
from ferjax.files import inside, text_of
from ferjax.registry import data_set

LISTS = "Manually_Annotated_file_lists"
IMAGES = "Manually_Annotated_Images"
# Of a copy of 29,042 faces: pth,label,relFCs.
REDUCED_LIST = "labels.csv"
# The codes of both layouts.
AFFECTNET_CODES: dict[str, str] = {
    "0": "neutral",
    "1": "happy",
    "2": "sad",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "angry",
    "7": "contempt",
}
# The annotators' codes that are no expression; they are left out.
NO_EXPRESSION = {"8": "none", "9": "uncertain", "10": "non-face"}
COLUMNS = (
    "subdirectory_filepath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)


@data_set("affectnet7")
class AffectNet7(ImageSetBuilder, skip_registration=True):
    """TFDS builder of AffectNet without contempt: 224×224 RGB.

    The official validation set is stored as `test`: the real test set was never released, and papers report
    on it. Validation for choosing is carved out of train.
    """

    name = "affectnet7"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "AffectNet, manually annotated faces from the web."
    SOURCE = "Mollahosseini et al. (2017)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "train_set/ and val_set/, each with images/ and annotations/ (the layout of 2021), "
        f"or {LISTS}/training.csv and validation.csv with {IMAGES}/, or {REDUCED_LIST} with pth,label"
    )
    IMAGE_SHAPE = (224, 224, 3)
    SIZE_AS_DISTRIBUTED = 224
    TOLERANT = True
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "margin": (
            "0.1",
            "old layout: what the square around the face box grows by on each side, a part of its side",
        ),
        "attributes": (
            "",
            f"layouts with lists: COLUMN,… of training.csv and validation.csv, or of {REDUCED_LIST}, that "
            "describe people or pictures, such as gender",
        ),
    }
    EXTRAS: ClassVar[dict[str, Any]] = {**FEATURES, FEATURE: tfds.features.Text()}
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 24882,
            "disgust": 3803,
            "fear": 6378,
            "happy": 134415,
            "sad": 25459,
            "surprise": 14090,
            "neutral": 74874,
            "total": 283901,
        },
        "test": {
            "angry": 500,
            "disgust": 500,
            "fear": 500,
            "happy": 500,
            "sad": 500,
            "surprise": 500,
            "neutral": 500,
            "total": 3500,
        },
    }

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the faces of the layout that `folder` holds."""
        self._left_out: dict[str, int] = {}
        self._no_affect, self._first_without = 0, ""
        self._values = Values("the list")
        if (folder / "train_set" / "images").is_dir():
            yield from self._new(folder)
        elif (folder / LISTS).is_dir():
            yield from self._old(folder)
        elif (folder / REDUCED_LIST).is_file():
            yield from self._reduced(folder)
            self._note_no_affect()
            return
        else:
            raise self.missing(folder)
        self._note_left_out()
        self._note_no_affect()
        self.notes.append(
            "the official validation set is stored as test: the real test set was never released, and papers "
            "report on it; a validation split is carved out of train"
        )

    def _new(self, folder: Path) -> Iterator[Item]:
        if self.options["attributes"]:
            raise UserError(
                f"option attributes names columns of a list, and the copy in {folder} (train_set/, val_set/) "
                "has none: make a CSV file path,label with these columns and prepare it as folder"
            )
        for split, name in (("train", "train_set"), ("test", "val_set")):
            place = folder / name
            if not (place / "images").is_dir() or not (place / "annotations").is_dir():
                raise UserError(f"{place} has no folders images/ and annotations/")
            inside(folder, place / "annotations")
            unpaired = {path.stem[:-4] for path in (place / "annotations").glob("*_exp.npy")}
            for path in image_paths(folder, place / "images"):
                unpaired.discard(path.stem)
                annotation = place / "annotations" / f"{path.stem}_exp.npy"
                try:
                    code = read_label(inside(folder, annotation))
                except FileNotFoundError:
                    self.lose(str(path), f"no annotations/{annotation.name}")
                    continue
                except ValueError as error:
                    self.reject(str(annotation), error)
                    continue
                if label := self._class(code, str(annotation)):
                    values = self._affect_files(folder, place / "annotations", path.stem)
                    extras = {**values, FEATURE: encode({})}
                    yield Item(split, path, label, f"{name}/{path.name}", extras=extras)
            for stem in sorted(unpaired):
                self.lose(str(place / "images" / stem), "no image of that name")
        for path in subfolders(folder, folder):
            if path.name not in ("train_set", "val_set"):
                self.notes += unread(path, (), f"as {text_of(path.name)}/ is neither train_set/ nor val_set/")

    def _old(self, folder: Path) -> Iterator[Item]:
        margin = self.number_option("margin", 0, 2)
        images = folder / IMAGES
        if not images.is_dir():
            raise UserError(f"{folder} has {LISTS}/ but no {IMAGES}/: unpack the images beside the lists")
        read: set[Path] = set()
        for split, name in (("train", "training.csv"), ("test", "validation.csv")):
            path = inside(folder, folder / LISTS / name)
            if not path.is_file():
                raise UserError(f"{path} is missing; {LISTS}/ must hold training.csv and validation.csv")
            attributes = self._asked(path)
            for number, row in self.rows(path, (*COLUMNS[:5], "expression"), headless=COLUMNS):
                where = f"{path} line {number}"
                listed = row["subdirectory_filepath"]
                try:
                    file = inside(images, listed_path(images, listed))
                except ValueError as error:
                    self.reject(where, error)
                    continue
                read.add(file)
                label = self._class(row["expression"], where)
                if label is None:
                    continue
                try:
                    left, top, width, height = (float(row[column]) for column in COLUMNS[1:5])
                except ValueError as error:
                    self.reject(where, f"the face box is not made of numbers ({error})")
                    continue
                yield Item(
                    split,
                    file,
                    label,
                    listed,
                    box=(left, top, left + width, top + height),
                    margin=margin,
                    where=f"{where}: {listed}",
                    extras={**self._affect(row, where), FEATURE: encode(self._values.of(row, attributes))},
                )
        self.notes += unread(images, read, "as no list names them")

    def _reduced(self, folder: Path) -> Iterator[Item]:
        """Yields what the list of the 96×96 copy names, whose labels are words."""
        path = inside(folder, folder / REDUCED_LIST)
        read: set[Path] = set()
        attributes = self._asked(path)
        places = [*split_folders(folder, folder), ("train", folder)]
        for number, row in self.rows(path, ("pth", "label")):
            where = f"{path} line {number}"
            try:
                files = [(split, inside(folder, listed_path(place, row["pth"]))) for split, place in places]
            except ValueError as error:
                self.reject(where, error)
                continue
            split, file = next((pair for pair in files if pair[1].exists()), files[-1])
            read.add(file)
            name = self.meaning(WORDS, row["label"].lower(), where)
            if name in self.LABELS:
                extras = {**self._affect(row, where), FEATURE: encode(self._values.of(row, attributes))}
                yield Item(split, file, name, row["pth"], where=f"{where}: {row['pth']}", extras=extras)
            elif name:
                self._left_out[name] = self._left_out.get(name, 0) + 1
        self._note_left_out()
        self.notes += unread(folder, read, f"as {REDUCED_LIST} does not name them")
        self.notes.append(
            f"this copy of AffectNet ({REDUCED_LIST}, 96×96) was chosen and labelled anew by its maker and "
            "has not the official splits: scores on it are not comparable with those of papers"
        )

    def _asked(self, path: Path) -> list[str]:
        """Returns the columns of a list that are kept as attributes; a copy's list may name no columns."""
        names = header(path)
        columns = names if set(names) & {*COLUMNS, "label"} else COLUMNS
        return asked(self.options["attributes"], columns, path.name)

    def _note_left_out(self) -> None:
        if self._left_out:
            counts = ", ".join(f"{count} {name}" for name, count in sorted(self._left_out.items()))
            self.notes.append(f"left out, being none of the classes: {counts}")

    def _affect_files(self, folder: Path, annotations: Path, stem: str) -> dict[str, float]:
        """Reads valence and arousal of the layout of 2021: a face whose files are missing or odd has none."""
        values = {}
        for name, kind in (("valence", "val"), ("arousal", "aro")):
            path = annotations / f"{stem}_{kind}.npy"
            try:
                values[name] = affect_value(read_text(inside(folder, path)))
            except (FileNotFoundError, ValueError) as error:
                why = "no such file" if isinstance(error, FileNotFoundError) else error
                return self._without_affect(f"{path} ({why})")
        return values

    def _affect(self, row: Mapping[str, str], where: str) -> dict[str, float]:
        """Reads valence and arousal of a list's row; those that are no such values count as unknown."""
        try:
            values: dict[str, float] = {name: affect_value(row.get(name, "")) for name in FEATURES}
        except ValueError as error:
            return self._without_affect(f"{where} ({error})")
        return values

    def _without_affect(self, which: str) -> dict[str, float]:
        self._no_affect += 1
        self._first_without = self._first_without or which
        return UNKNOWN

    def _note_no_affect(self) -> None:
        if self._no_affect:
            self.notes.append(
                f"{self._no_affect} faces have no valence and arousal that can be read, as "
                f"{self._first_without}; they are stored as unknown"
            )

    def _class(self, code: str, where: str) -> str | None:
        """Returns the class of a code, None where there is none for it here."""
        name = NO_EXPRESSION.get(code) or self.meaning(AFFECTNET_CODES, code, where)
        if name is not None and name not in self.LABELS:
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return None
        return name


@data_set("affectnet8")
class AffectNet8(AffectNet7, skip_registration=True):
    """TFDS builder of AffectNet with contempt. See `AffectNet7`."""

    name = "affectnet8"
    LABELS = FER8
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {**AffectNet7.PUBLISHED["train"], "contempt": 3750, "total": 287651},
        "test": {**AffectNet7.PUBLISHED["test"], "contempt": 500, "total": 4000},
    }
