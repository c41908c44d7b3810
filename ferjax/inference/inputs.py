"""What the command line names: pictures, folders of them, patterns, videos, a camera."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ferjax.inference import pictures

VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv",
)  # fmt: skip
_CAMERA = re.compile(r"(?:webcam|camera)(?::(\d{1,3}))?")
_PATTERN = re.compile(r"[*?\[]")

Kind = Literal["picture", "video", "camera", "skipped", "failed"]


class Input(NamedTuple):
    """One thing to look at, or why there is nothing to look at.

    Attributes:
        kind: `picture`, `video`, `camera`; `skipped` is what a folder holds that is no picture, `failed` what
            was asked for and is not there.
        name: how results call it: the path as it was given, or found; bytes that are no letters become �.
        path: of the file; of a camera and where nothing is, as named.
        place: where an annotated copy goes, relative to the folder of all of them.
        reason: why it was skipped or failed, else empty.
        index: of a camera.
    """

    kind: Kind
    name: str
    path: Path
    place: Path
    reason: str = ""
    index: int = 0


def expand(arguments: Sequence[str]) -> Iterator[Input]:
    """Files in the order of the arguments, folders and patterns sorted; no file twice.

    Folders are searched to their depths, without hidden files and folders. Links out of a folder are skipped.

    Args:
        arguments: files, folders, patterns (`*`, `?`, `[…]`, `**`), `webcam` or `webcam:INDEX`.
    """
    seen: set[Path] = set()
    for argument in arguments:
        for found in _expand_one(argument):
            if found.kind in ("camera", "failed"):
                yield found
            elif (identity := found.path.resolve()) not in seen:
                seen.add(identity)
                yield found


def _expand_one(argument: str) -> Iterator[Input]:
    path = Path(argument).expanduser()
    camera = _CAMERA.fullmatch(argument)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield _file(path, Path(path.name), known=True)
    elif camera:
        yield Input("camera", argument, path, Path(argument.replace(":", "-")), index=int(camera[1] or 0))
    elif _PATTERN.search(argument):
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            yield _failed(argument, "no file has such a name")
        for match in map(Path, matches):
            if match.is_file():
                yield _file(match, Path(match.name), known=_kind(match) is not None)
    elif "://" in argument:
        yield _failed(argument, "is an address, and nothing is fetched: download it and name the file")
    else:
        yield _failed(argument, "does not exist")


def _in_folder(folder: Path) -> Iterator[Input]:
    inside = folder.resolve()
    found = False
    for place, folders, files in os.walk(folder):  # does not follow links to folders
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if not path.resolve().is_relative_to(inside):
                yield Input("skipped", _text(path), path, path, "is a link out of the folder")
                continue
            entry = _file(path, path.relative_to(folder), known=_kind(path) is not None)
            found |= entry.kind != "skipped"
            yield entry
    if not found:
        yield _failed(_text(folder), "holds no picture and no video")


def _file(path: Path, place: Path, known: bool) -> Input:
    """A file; one that is named by itself counts as a picture whatever its name ends in."""
    if not path.is_file():
        reason = "is not a plain file" if path.exists() else "is a link to nothing"
        return Input("failed", _text(path), path, place, reason)
    if not known:
        reason = f"is no picture and no video by its name ({_text(path.suffix) or 'no suffix'})"
        return Input("skipped", _text(path), path, place, reason)
    return Input(_kind(path) or "picture", _text(path), path, place)


def _kind(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "picture" if suffix in pictures.SUFFIXES else None


def _failed(name: str, reason: str) -> Input:
    return Input("failed", _text(name), Path(name), Path(name), reason)


def _text(path: Path | str) -> str:
    """A path as text that can be written: names are bytes, and not all of these are letters."""
    return os.fsencode(path).decode(errors="replace")
