"""Lists FER2013's folder copies: the official split from the file names, counts of what is left out."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ferjax.data.builders.image_files import folder_that, image_paths, subfolders
from ferjax.data.builders.image_sets import class_folders
from ferjax.data.builders.known_layouts import known_layout
from ferjax.data.builders.list_columns import split_of
from ferjax.data.builders.reconciled import unread
from ferjax.data.builders.split_folders import split_folders
from ferjax.data.derived_names import FER2013_NAME, original_of
from ferjax.errors import UserError, listed

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
# An archive may unpack into a folder of its name, and that hold another.
DEEPEST = 2


class Listed(NamedTuple):
    """One image of a copy.

    Attributes:
        split: "train", "validation" or "test".
        path: its file.
        label: its class.
        official: whether the split comes from its name.
    """

    split: str
    path: Path
    label: str
    official: bool


def find_place(folder: Path) -> Path | None:
    """Returns the folder that holds the split or class folders, `folder` or one in it; None without one."""

    def holds_copy(names: set[str]) -> bool:
        return "train" in map(split_of, names) or bool(set(map(str.lower, names)) & FER2013_FOLDERS.keys())

    return folder_that(folder, holds_copy, deepest=DEEPEST)


def list_copy(
    folder: Path,
    place: Path,
    *,
    keep_made_up: bool,
    note: Callable[[str], None],
    reject: Callable[[str, object], None],
) -> Iterator[Listed]:
    """Yields the images of a copy in the order of the folders' and the files' names.

    Args:
        folder: of the user.
        place: see `find_place`.
        keep_made_up: whether images are read that were made from others.
        note: takes a sentence on the copy.
        reject: takes a file and why it cannot be read.

    Raises:
        UserError: a class folder has no class's name, or no file tells its split.
    """
    seen: set[str] = set()
    told, made_up, twice = Counter(), Counter(), 0
    moved: Counter[tuple[str, str]] = Counter()
    homeless: list[Path] = []
    read: set[Path] = set()
    for split_folder, path, label in _files(folder, place, read):
        official = FER2013_NAME.match(path.name)
        split = _split_of(official) if official else split_folder
        if split is None:
            homeless.append(path)
            continue
        if original_of(path.name):
            made_up[split, label] += 1
            if not keep_made_up:
                continue
        elif official:
            # The number alone is not unique: the official copy has one name under two classes.
            name = f"{split} {int(official[2])} {label}"
            if name in seen:
                twice += 1
                continue
            seen.add(name)
            moved[split_folder or "", split] += 1
        told[bool(official)] += 1
        yield Listed(split, path, label, bool(official))
    if homeless and not sum(told.values()):
        raise UserError(
            f"{place} has class folders but no train/ and test/, and its images, as {homeless[0].name}, are "
            "not named Training_N, PublicTest_N or PrivateTest_N: the official split is lost. "
            "`prepare folder/NAME` builds such a set"
        )
    for path in homeless:
        reject(
            str(path), "neither its folder nor its name (Training_N, PublicTest_N, PrivateTest_N) is a split"
        )
    left_out = unread(place, read)
    if not read and left_out:
        nothing = f"there is no image directly in its class folders; {left_out[0]}"
        why = known_layout(folder, "fer2013") or nothing
        raise UserError(f"no fer2013 in {place}: {why}")
    for sentence in left_out:
        note(sentence)
    _tell(told, made_up, moved, twice, keep_made_up=keep_made_up, note=note)


def _files(folder: Path, place: Path, read: set[Path]) -> Iterator[tuple[str | None, Path, str]]:
    """Yields (split of the folder, None for a class folder outside those of splits; file; class)."""
    listed: list[tuple[str | None, Path, str]] = [
        (split, class_folder, label)
        for split, path in split_folders(folder, place)
        for class_folder, label in class_folders(folder, path, FER2013_FOLDERS)
    ]
    listed += [
        (None, path, FER2013_FOLDERS[path.name.lower()])
        for path in subfolders(folder, place)
        if path.name.lower() in FER2013_FOLDERS
    ]
    for split, class_folder, label in listed:
        for file in image_paths(folder, class_folder):
            read.add(file)
            yield split, file, label


def _split_of(official: re.Match[str]) -> str:
    return {"training": "train", "publictest": "validation", "privatetest": "test"}[official[1].lower()]


def _tell(
    told: Counter[bool],
    made_up: Counter[tuple[str, str]],
    moved: Counter[tuple[str, str]],
    twice: int,
    *,
    keep_made_up: bool,
    note: Callable[[str], None],
) -> None:
    if told[True]:
        rest = f"; {told[False]} have other names and are divided by their folders" if told[False] else ""
        note(
            "the official split was read from the file names (Training_, PublicTest_ for validation, "
            f"PrivateTest_ for test){rest}"
        )
    for (place, split), count in sorted(moved.items()):
        if place and place != split:
            note(f"{count} images of the official {split} split lay in the folder of {place}")
    if made_up:
        counts = listed(
            (f"{count} of {label} in {split}" for (split, label), count in made_up.items()), most=21
        )
        what = (
            "kept, as made_up=keep asks, though they are no part of FER2013"
            if keep_made_up
            else "left out; --option=made_up=keep stores them"
        )
        note(
            f"{sum(made_up.values())} images are made up from others, as names like Training_1.jpg5.jpg say: "
            f"{counts}. They were {what}"
        )
    if twice:
        note(f"{twice} images stand more than once in the copy under one name; each was stored once")
