"""Reads RAF-DB's manual annotations: gender, race and age of the person in each image.

`Annotation/manual/train_00001_manu_attri.txt` has eight lines: five landmarks, then a code each for gender,
race and age. The codes are those of the set's own readme.
"""

from pathlib import Path

from ferjax.data.builders.text_files import small_text
from ferjax.files import inside

GENDERS = {"0": "male", "1": "female", "2": "unsure"}
RACES = {"0": "Caucasian", "1": "African-American", "2": "Asian"}
AGES = {"0": "0-3", "1": "4-19", "2": "20-39", "3": "40-69", "4": "70+"}
_PLACES = ("Annotation/manual", "basic/Annotation/manual", "Annotation")
_LANDMARKS = 5
_SUFFIX = "_manu_attri.txt"


class ManualAnnotations:
    """The annotations of a copy of RAF-DB, if it has them.

    Attributes:
        known: images whose annotation was read.
        absent: images without one.
        strange: annotations that are not as described; their images are kept, their values unknown.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        """Looks for the annotations.

        Args:
            folder: the user's; no path leads out of it.
            place: where the set lies in it.
        """
        self._folder = folder
        found = [base / name for base in (place, folder) for name in _PLACES]
        self._place = next((path for path in found if any(path.glob(f"*{_SUFFIX}"))), None)
        self._packed = next((path for path in found if path.with_suffix(".zip").is_file()), None)
        self.known = self.absent = self.strange = 0

    def of(self, name: str) -> dict[str, str]:
        """Returns `gender`, `race` and `age` of an image, `train_00001.jpg`; empty where they are unknown."""
        if self._place is None:
            return {}
        stem = name.rpartition(".")[0].removesuffix("_aligned")
        path = self._place / f"{stem}{_SUFFIX}"
        if not path.is_file():
            self.absent += 1
            return {}
        try:
            codes = [line.strip() for line in small_text(inside(self._folder, path)).splitlines()]
            gender, race, age = [code for code in codes if code][_LANDMARKS:]
            values = {"gender": GENDERS[gender], "race": RACES[race], "age": AGES[age]}
        except (ValueError, KeyError):
            self.strange += 1
            return {}
        self.known += 1
        return values

    def notes(self) -> list[str]:
        """Tells what was read, and what is unknown; nothing about a copy without annotations."""
        if self._place is None:
            if self._packed is None:
                return []
            return [f"{self._packed.name}.zip, the manual annotations, is not unpacked: gender, race and age "
                    "are unknown"]  # fmt: skip
        notes = [f"gender, race and age of {self.known:,} images are those of {self._place.name}/"]
        if self.absent:
            notes.append(f"{self.absent:,} images have no manual annotation: their attributes are unknown")
        if self.strange:
            notes.append(
                f"{self.strange:,} manual annotations have other lines than five landmarks, gender, race and "
                "age: these attributes are unknown"
            )
        return notes
