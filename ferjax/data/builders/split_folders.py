"""Finds the folders of the splits of a copy: people call them by several names, in any case."""

import re
from pathlib import Path

from ferjax.data.builders.image_files import subfolders

# Without blanks and signs between the words.
SPLITS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "valset": "validation",
    "dev": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "privatetest": "test",
}
ORDER = ("train", "validation", "test")


def split_named(name: str) -> str | None:
    """Returns the split that a folder's name stands for, None for another name.

    >>> split_named("Public_Test"), split_named("VAL"), split_named("happy")
    ('validation', 'validation', None)
    """
    return SPLITS.get(re.sub(r"[\s_.-]", "", name.lower()))


def split_folders(folder: Path, place: Path) -> list[tuple[str, Path]]:
    """Returns (split, folder) of the folders in `place` that are splits: train first, test last.

    Raises:
        UserError: one leads out of `folder`.
    """
    found = [(split_named(path.name), path) for path in subfolders(folder, place)]
    return sorted(
        ((split, path) for split, path in found if split), key=lambda pair: (ORDER.index(pair[0]), pair[1])
    )
