"""Recognises layouts of sets by their names: one that is given to the wrong builder is told what it is."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ferjax.data.builders.list_columns import split_of
from ferjax.data.builders.text_files import fields, lines
from ferjax.data.labels import WORDS
from ferjax.errors import UserError

# Names that are looked at in a folder: enough to know a set by.
_LOOK = 200
_LIST = "list the images in a CSV file path,label"
_KDEF = re.compile(r"[AB][FM]\d{2}(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)\.jpe?g", re.IGNORECASE)
_JAFFE = re.compile(r"[A-Z]{2}\.(AN|DI|FE|HA|NE|SA|SU)\d+\.\d+\.tiff?", re.IGNORECASE)
_RAF = re.compile(r"(train|test)_\d{5}(_aligned)?\.jpe?g", re.IGNORECASE)
_RESEMOTENET = re.compile(rf"[a-z]+_\d+_({'|'.join(WORDS)})\.(jpe?g|png)", re.IGNORECASE)
_FERPLUS = ("FER2013Train", "FER2013Valid", "FER2013Test")


class _Layout(NamedTuple):
    """A layout that was recognised: what it is, the builder that reads it (or empty), and where it lies."""

    text: str
    builder: str
    place: Path


def known_layout(folder: Path, builder: str) -> str | None:
    """Returns what a folder holds and the way to use it, as a sentence; None for a layout that is not known.

    Args:
        folder: of the user. Folders down to two levels below it are looked at, and links are not followed.
        builder: that it was given to: it is not told to do what it did.
    """
    for layout in map(_recognised, _places(folder)):
        if layout is None or (layout.builder == builder and layout.place == folder):
            continue
        use = f": `prepare {layout.builder} --manual_dir={layout.place}`" if layout.builder else ""
        return f"{layout.text}{use}"
    return None


def class_folders_hint(folder: Path) -> str | None:
    """Returns what to do with folders of splits that hold folders of classes; None if there are none."""
    for place in _places(folder):
        names = {path.name.lower() for path in _entries(place) if path.is_dir()}
        if split_of(place.name) and names and names <= {str(number) for number in range(11)}:
            return (
                f"{place.name}/ has folders called {min(names)} … {max(names)}, which may be a set's own "
                "codes or in the order of the alphabet: find out which, and "
                "`prepare folder/NAME --option=labels=0=neutral,…`"
            )
        if split_of(place.name) and names & WORDS.keys():
            return "these are folders named after classes: `prepare folder/NAME` reads them"
    return None


def _recognised(place: Path) -> _Layout | None:
    entries = _entries(place)
    names = {path.name for path in entries}
    lower = {name.lower() for name in names}
    labels = (path for path in entries if path.name.lower() == "labels")
    if "images" in lower and any(map(_holds_texts, labels)):
        return _Layout(
            "the folders images/ and labels/ are the layout of YOLO: a label file begins with a class's "
            f"number, which data.yaml names, in an order of its own; {_LIST},split with those names, and "
            "`prepare folder/NAME`",
            "",
            place,
        )
    if {"EmoLabel", "Image"} <= names and place.resolve().name.lower() == "compound":
        return _Layout(
            "this is RAF-DB's compound part, whose 11 classes are pairs of emotions; rafdb reads the basic "
            f"part. For the pairs, {_LIST},split and `prepare folder/NAME --option=space=own`",
            "",
            place,
        )
    if any(map(_KDEF.fullmatch, names)):
        return _Layout(
            "these are KDEF's file names: letters 1 to 4 are session and person, 5 and 6 AF fear, AN angry, "
            "DI disgust, HA happy, NE neutral, SA sad, SU surprise; "
            f"{_LIST},subject and `prepare folder/NAME`",
            "",
            place,
        )
    if any(map(_JAFFE.fullmatch, names)):
        return _Layout("these are JAFFE's file names", "jaffe", place)
    if names & set(_FERPLUS):
        return _Layout("this is Microsoft's layout of FERPlus", "ferplus", place)
    if split_of(place.name) and any(map(_RESEMOTENET.fullmatch, names)):
        return _Layout(
            "this is the layout of ResEmoteNet's scripts: a name's last word is the class (their CSV files "
            "number them 0 happy, 1 surprise, 2 sad, 3 angry, 4 disgust, 5 fear, 6 neutral); "
            f"{_LIST},split and `prepare folder/NAME`",
            "",
            place,
        )
    if split_of(place.name) and any(map(_RAF.fullmatch, names)):
        return _Layout("these are RAF-DB's file names", "rafdb", place.parent)
    lists = (_list_layout(path) for path in entries if path.suffix.lower() == ".csv")
    return next(filter(None, lists), None)


def _list_layout(path: Path) -> _Layout | None:
    """Recognises a list by the names of its columns."""
    try:
        first, second = ([field.lower() for field in fields(line)] for _, line in _head(path))
    except (UserError, ValueError, OSError):  # whoever reads it says what is wrong
        return None
    if {"emotion", "usage", "pixels"} <= set(first):
        return _Layout(f"{path.name} is FER2013's", "fer2013", path.parent)
    if {"usage", "image name", "contempt"} <= set(first):
        return _Layout(f"{path.name} holds FERPlus' votes", "ferplus", path.parent)
    if {"pth", "label"} <= set(first):
        return _Layout(f"{path.name} is of AffectNet's 96×96 copy", "affectnet8", path.parent)
    if first == ["image", "label"] and any(map(_RAF.fullmatch, second)):
        return _Layout(f"{path.name} is RAF-DB's", "rafdb", path.parent)
    return None


def _head(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the first two lines; empty ones where the file is shorter."""
    return itertools.islice(itertools.chain(lines(path), itertools.repeat((0, ""))), 2)


def _places(folder: Path) -> Iterator[Path]:
    """Yields a folder and those down to two levels below it, the upper ones first."""
    level = [folder]
    for _ in range(3):
        yield from level
        level = [
            path
            for place in level
            for path in _entries(place)
            if path.is_dir() and not path.is_symlink() and not path.name.startswith((".", "__"))
        ]


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(itertools.islice(place.iterdir(), _LOOK))
    except OSError:  # not a folder that may be read: whoever reads the set says so
        return []


def _holds_texts(labels: Path) -> bool:
    below = [file for path in _entries(labels) if path.is_dir() for file in _entries(path)]
    return any(path.suffix == ".txt" for path in (*_entries(labels), *below))
