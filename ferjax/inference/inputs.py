"""Finds the pictures and videos that a command line names: files, folders, patterns, a camera."""

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
    """A picture, a video or a camera, or the reason why there is none.

    Attributes:
        kind: `picture`, `video`, `camera`; `skipped`: a file in a folder that is neither picture nor video;
            `failed`: named by the user, but it does not exist or cannot be used.
        name: what results call it: the path; bytes that are not valid text become �.
        path: the file; for a camera or a missing file the name as it was given.
        place: where an annotated copy goes, relative to the folder of all copies.
        reason: why it was skipped or failed, else empty.
        camera: the number of the camera.
    """

    kind: Kind
    name: str
    path: Path
    place: Path
    reason: str = ""
    camera: int = 0


def expand(arguments: Sequence[str]) -> Iterator[Input]:
    """Yields files in the order of the arguments, those of a folder or pattern sorted, and no file twice.

    Folders are searched with all folders below; hidden ones are left out. Links out of a folder are skipped.

    Args:
        arguments: files, folders, patterns (`*`, `?`, `[…]`, `**`), `webcam` or `webcam:INDEX`.
    """
    seen: set[Path] = set()
    for argument in arguments:
        for item in _expand_one(argument):
            if item.kind in ("camera", "failed"):
                yield item
            elif (identity := item.path.resolve()) not in seen:
                seen.add(identity)
                yield item


def _expand_one(argument: str) -> Iterator[Input]:
    path = Path(argument).expanduser()
    camera = _CAMERA.fullmatch(argument)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield _file(path, Path(path.name), known=True)
    elif camera:
        yield Input("camera", argument, path, Path(argument.replace(":", "-")), camera=int(camera[1] or 0))
    elif _PATTERN.search(argument):
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            yield _failed(argument, "no file has such a name")
        for match in map(Path, matches):
            if match.is_file():
                yield _file(match, Path(match.name), known=_kind(match) is not None)
    elif "://" in argument:
        yield _failed(argument, "is an address, and nothing is downloaded: download it and name the file")
    else:
        yield _failed(argument, "does not exist")


def _in_folder(folder: Path) -> Iterator[Input]:
    root = folder.resolve()
    any_usable = False
    for place, folders, files in os.walk(folder):  # does not follow links to folders
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if not path.resolve().is_relative_to(root):
                yield Input("skipped", _text(path), path, path, "is a link out of the folder")
                continue
            entry = _file(path, path.relative_to(folder), known=_kind(path) is not None)
            any_usable |= entry.kind != "skipped"
            yield entry
    if not any_usable:
        yield _failed(_text(folder), "holds no picture and no video")


def _file(path: Path, place: Path, known: bool) -> Input:
    """Classifies a file. If it is not `known` by its suffix it is skipped; else it counts as a picture."""
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
    """Turns a path into text that can be written: file names are bytes, and may be no valid text."""
    return os.fsencode(path).decode(errors="replace")
