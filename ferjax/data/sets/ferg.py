"""FERG (Aneja et al., 2016): 55,767 renders of six cartoon characters, seven classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder, class_folders
from ferjax.data.builders.reconciled import unread
from ferjax.data.labels import WORDS
from ferjax.files import text_of
from ferjax.registry import data_set

ROOT = "FERG_DB_256"
CHARACTERS = ("aia", "bonnie", "jules", "malcolm", "mery", "ray")


@data_set("ferg")
class FERG(ImageSetBuilder, skip_registration=True):
    """TFDS builder of FERG: 256×256 RGB. `character` is who it shows."""

    name = "ferg"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "FERG, rendered cartoon characters in seven classes."
    SOURCE = "Aneja et al. (2016)"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"the folder {ROOT}/ with the folders CHARACTER/CHARACTER_EMOTION/ of {', '.join(CHARACTERS)}"
    )
    IMAGE_SHAPE = (256, 256, 3)
    SIZE_AS_DISTRIBUTED = 256
    EXTRAS: ClassVar[dict[str, Any]] = {"character": tfds.features.Text()}
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {"train": {"total": 55767}}

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields the renders, character by character."""
        for place in (folder / ROOT, folder):
            if place.is_dir() and {path.name for path in subfolders(folder, place)} & set(CHARACTERS):
                return self._from(folder, place)
        raise self.missing(folder)

    def _from(self, folder: Path, place: Path) -> Iterator[Item]:
        self.note_no_splits("character:aia")
        self.notes.append(
            "neighbouring renders are near duplicates: a random split is easy, a held-out character is not"
        )
        read = set()
        for character in subfolders(folder, place):
            if character.name not in CHARACTERS:
                self.notes.append(f"left out, not one of the characters: {text_of(character.name)}/")
                continue
            names = {f"{character.name}_{word}": label for word, label in WORDS.items()}
            for emotion, label in class_folders(folder, character, names):
                for path in image_paths(folder, emotion):
                    read.add(path)
                    where = path.relative_to(place).as_posix()
                    yield Item("train", path, label, where, extras={"character": character.name})
        self.notes += unread(folder, read)
