"""Recognises layouts of sets by their names: one that is given to the wrong builder is told what it is."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from ferjax.data.builders.split_folders import split_named
from ferjax.data.labels import WORDS

# Names that are looked at in a folder: enough to know a set by.
_LOOK = 200
_LIST = "list the images in a CSV file path,label"
_KDEF = re.compile(r"[AB][FM]\d{2}(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)\.jpe?g", re.IGNORECASE)
_JAFFE = re.compile(r"[A-Z]{2}\.(AN|DI|FE|HA|NE|SA|SU)\d+\.\d+\.tiff?", re.IGNORECASE)
_RAF = re.compile(r"(train|test)_\d{5}(_aligned)?\.jpe?g", re.IGNORECASE)
_RESEMOTENET = re.compile(rf"[a-z]+_\d+_({'|'.join(WORDS)})\.(jpe?g|png)", re.IGNORECASE)
_FERPLUS = ("FER2013Train", "FER2013Valid", "FER2013Test")


def known_layout(folder: Path) -> str | None:
    """Returns what a folder holds and the way to use it, as a sentence; None for a layout that is not known.

    Args:
        folder: of the user. Folders down to two levels below it are looked at, and links are not followed.
    """
    for place in _places(folder):
        names = {path.name for path in _entries(place)}
        folders = {path.name for path in _entries(place) if path.is_dir()}
        lower = {name.lower() for name in folders}
        labels = (path for path in _entries(place) if path.name.lower() == "labels")
        if "images" in lower and any(map(_holds_texts, labels)):
            return (
                "this is the YOLO layout (images/ and labels/): a label file begins with a class's number, "
                "which data.yaml names, in an order of its own; "
                f"{_LIST},split with those names, and `prepare folder/NAME`"
            )
        if {"EmoLabel", "Image"} <= folders and place.resolve().name.lower() == "compound":
            return (
                "this is RAF-DB's compound part, whose 11 classes are pairs of emotions; rafdb reads the "
                f"basic part. For the pairs, {_LIST},split and `prepare folder/NAME --option=space=own`"
            )
        if any(map(_KDEF.fullmatch, names)):
            return (
                "these are KDEF's file names: letters 1 to 4 are session and person, 5 and 6 AF fear, AN "
                "angry, DI disgust, HA happy, NE neutral, SA sad, SU surprise; "
                f"{_LIST},subject and `prepare folder/NAME`"
            )
        if any(map(_JAFFE.fullmatch, names)):
            return f"these are JAFFE's file names: `prepare jaffe --manual_dir={place}`"
        if folders & set(_FERPLUS):
            return f"this is Microsoft's layout of FERPlus: `prepare ferplus --manual_dir={place}`"
        if split_named(place.name) and any(map(_RESEMOTENET.fullmatch, names)):
            return (
                "this is the layout of ResEmoteNet's scripts: a name's last word is the class (their CSV "
                "files number them 0 happy, 1 surprise, 2 sad, 3 angry, 4 disgust, 5 fear, 6 neutral); "
                f"{_LIST},split and `prepare folder/NAME`"
            )
        if split_named(place.name) and any(map(_RAF.fullmatch, names)):
            return f"these are RAF-DB's file names: `prepare rafdb --manual_dir={place.parent}`"
    return None


def class_folders_hint(folder: Path) -> str | None:
    """Returns what to do with folders of splits that hold folders of classes; None if there are none."""
    for place in _places(folder):
        names = {path.name.lower() for path in _entries(place) if path.is_dir()}
        if split_named(place.name) and names and names <= {str(number) for number in range(11)}:
            return (
                f"{place.name}/ has folders called {min(names)} … {max(names)}, which may be a set's own "
                "codes or in the order of the alphabet: find out which, and "
                "`prepare folder/NAME --option=labels=0=neutral,…`"
            )
        if split_named(place.name) and names & WORDS.keys():
            return "these are folders named after classes: `prepare folder/NAME` reads them"
    return None


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
