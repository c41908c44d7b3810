"""CK+ (Lucey et al., 2010): 593 sequences of 123 people from neutral to the peak, of which 327 are labelled.

Copies have one of three layouts: the sequences as distributed, CK+48 (folders of faces, the last three
frames) and `ckextended.csv` (48×48, the last frame, and the first of every sequence as neutral).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import Box, image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder, class_folders
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.text_files import small_text
from ferjax.data.images import encode_png
from ferjax.data.labels import FER8, WORDS
from ferjax.data.sets.fer2013 import FER2013_CODES, pixel_rows
from ferjax.errors import UserError
from ferjax.files import inside
from ferjax.registry import data_set

# The number in an _emotion.txt file.
CKPLUS_CODES: dict[str, str] = {
    "0": "neutral",
    "1": "angry",
    "2": "contempt",
    "3": "disgust",
    "4": "fear",
    "5": "happy",
    "6": "sad",
    "7": "surprise",
}
# ckextended.csv numbers the classes as FER2013 does, and contempt comes last.
CKPLUS_CSV_CODES: dict[str, str] = {**FER2013_CODES, "7": "contempt"}
CSV = "ckextended.csv"
FOLDERS = "CK+48"
FRAMES, EMOTIONS, LANDMARKS = "cohn-kanade-images", "Emotion", "Landmarks"
# Landmarks lie on brows and chin: a fifth more on each side shows the whole face.
MARGIN = 0.2
_SUBJECT = re.compile(r"(S\d{3})_\d{3}_\d{8}")


@data_set("ckplus")
class CKPlus(ImageSetBuilder, skip_registration=True):
    """TFDS builder of CK+: grey, eight classes. `group` is the person, where the copy names one.

    Frames are cut to the face where the archive of the landmarks is unpacked too.
    """

    name = "ckplus"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "CK+, posed expressions in sequences, eight classes."
    SOURCE = "Lucey et al. (2010)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"{FRAMES}/ and {EMOTIONS}/ (and {LANDMARKS}/, if you have it), or {FOLDERS}/ with a folder for each "
        f"class, or {CSV}"
    )
    LABELS = FER8
    IMAGE_SHAPE = (None, None, 1)
    GROUPED = True
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "frames": ("1", "sequences: how many of the last frames carry the label"),
        "neutral": ("1", "sequences: how many of the first frames are neutral; 0 leaves neutral out"),
    }
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {
        "train": {
            "angry": 45,
            "disgust": 59,
            "fear": 25,
            "happy": 69,
            "sad": 28,
            "surprise": 83,
            "contempt": 18,
        }
    }

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yields (split, example); see `items` for the layouts of image files."""
        if _is_one_file(folder):
            return self._from_csv(folder)
        return super().examples(folder)

    def _from_csv(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        self.note_no_splits("1/10")
        self.notes.append(
            f"{CSV} names no people: images of one person may come into two splits. Its column Usage "
            "divides by image and is not followed. Its neutral images are the first of all sequences"
        )
        path = inside(folder, folder / CSV)
        for number, row in pixel_rows(path, CKPLUS_CSV_CODES, FER8):
            if isinstance(row, ValueError):
                self.reject(f"{path} line {number}", row)
                continue
            _, image, label = row
            where = f"{path.name}:{number}"
            yield "train", {"image": encode_png(image), "label": label, "id": where, "group": ""}

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the frames of the labelled sequences, or what the class folders hold."""
        if _is_one_file(folder):
            raise UserError(f"{folder / CSV} is one file, built in one pass: leave out --beam")
        self.note_no_splits("1/10")
        if (folder / FRAMES).is_dir():
            return self._from_sequences(folder)
        for place in (folder / FOLDERS, folder):
            if place.is_dir() and any(path.name.lower() in WORDS for path in subfolders(folder, place)):
                return self._from_folders(folder, place)
        raise self.missing(folder)

    def _from_folders(self, folder: Path, place: Path) -> Iterator[Item]:
        self.notes.append(
            "CK+48 holds three frames a sequence: three times the published numbers of sequences"
        )
        read = set()
        for class_folder, label in class_folders(folder, place, WORDS):
            for path in image_paths(folder, class_folder):
                read.add(path)
                subject = _SUBJECT.match(path.stem)
                if subject is None:
                    self.reject(str(path), "not named like S010_004_00000017.png, so the person is not known")
                    continue
                yield Item("train", path, label, path.relative_to(place).as_posix(), group=subject[1])
        self.notes += unread(folder, read)

    def _from_sequences(self, folder: Path) -> Iterator[Item]:
        frames = int(self.number_option("frames", 1, 10, whole=True))
        neutral = int(self.number_option("neutral", 0, 10, whole=True))
        if not (folder / EMOTIONS).is_dir():
            raise self.missing(folder)
        sequences = labelled = 0
        for subject in subfolders(folder, folder / FRAMES):
            for sequence in subfolders(folder, subject):
                paths = list(image_paths(folder, sequence))
                sequences += bool(paths)
                label = self._label(folder, subject.name, sequence.name)
                if label is None or not paths:
                    continue
                labelled += 1
                # In a short sequence a frame is the peak rather than neutral.
                chosen = [(path, label) for path in paths[-frames:]]
                chosen[:0] = [(path, "neutral") for path in paths[:-frames][:neutral]]
                for path, name in chosen:
                    where = path.relative_to(folder / FRAMES)
                    try:
                        box = _face(folder, where)
                    except ValueError as error:
                        self.reject(str(path), f"its landmarks are not a list of points ({error})")
                        continue
                    yield Item(
                        "train",
                        path,
                        name,
                        where.as_posix(),
                        group=subject.name,
                        box=box,
                        margin=MARGIN,
                    )
        self.notes.append(
            f"{labelled} of {sequences} sequences are labelled; of each, the last {frames} frames carry the "
            f"label and the first {neutral} are neutral. The published numbers count sequences"
        )
        if not (folder / LANDMARKS).is_dir():
            self.notes.append(f"there is no {LANDMARKS}/: frames are stored whole, not cut to the face")

    def _label(self, folder: Path, subject: str, sequence: str) -> str | None:
        """Returns the class of a sequence, None if it has none: most folders of unlabelled ones are empty."""
        place = folder / EMOTIONS / subject / sequence
        files = sorted(place.glob("*_emotion.txt")) if place.is_dir() else []
        if not files:
            return None
        path = inside(folder, files[0])
        try:
            text = small_text(path).strip()
        except ValueError as error:
            self.reject(str(path), error)
            return None
        try:
            number = float(text)  # 1.0000000e+00
        except ValueError:
            number = None
        code = text if number is None or not number.is_integer() else str(int(number))
        return self.meaning(CKPLUS_CODES, code, str(path))


def _is_one_file(folder: Path) -> bool:
    return (folder / CSV).is_file() and not (folder / FRAMES).is_dir()


def _face(folder: Path, frame: Path) -> Box | None:
    """Returns the box around the landmarks of S005/001/FRAME.png, None if it has none; raises ValueError."""
    path = folder / LANDMARKS / frame.parent / f"{frame.stem}_landmarks.txt"
    if not path.is_file():
        return None
    numbers = [float(word) for word in small_text(inside(folder, path)).split()]
    across, down = numbers[0::2], numbers[1::2]
    return min(across), min(down), max(across), max(down)
