"""Finds the folders of the splits of a copy: people call them by several names, in any case."""

from pathlib import Path

from ferjax.data.builders.image_files import subfolders
from ferjax.data.builders.list_columns import split_of

ORDER = ("train", "validation", "test")


def split_folders(folder: Path, place: Path) -> list[tuple[str, Path]]:
    """Returns (split, folder) of the folders in `place` that are splits: train first, test last.

    Raises:
        UserError: one leads out of `folder`.
    """
    found = [(split_of(path.name), path) for path in subfolders(folder, place)]
    return sorted(
        ((split, path) for split, path in found if split), key=lambda pair: (ORDER.index(pair[0]), pair[1])
    )
