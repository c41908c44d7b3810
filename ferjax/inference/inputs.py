"""Finds the pictures and videos that a command line names: files, folders, patterns, a camera."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from ferjax.files import real_path, text_of
from ferjax.inference import pictures

VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv",
)  # fmt: skip
_CAMERA = re.compile(r"(?:webcam|camera)(?::(\d{1,3}))?")
_PATTERN = re.compile(r"[*?\[]")

# Files that hold many pictures, which `ferjax.bulk` reads.
CONTAINER_SUFFIXES = (".tar", ".parquet")

Kind = Literal["picture", "video", "container", "camera", "skipped", "failed"]
Kinds = Mapping[str, Kind]  # suffix → what such a file is
_KINDS: Kinds = {
    **dict.fromkeys(pictures.SUFFIXES, "picture"),
    **dict.fromkeys(VIDEO_SUFFIXES, "video"),
}


class Input(NamedTuple):
    """A picture, a video or a camera, or the reason why there is none.

    Attributes:
        kind: `picture`, `video`, `camera`; `container`: a file of many pictures, where these are asked for;
            `skipped`: a file in a folder that is none of them; `failed`: named by the user, but it does not
            exist or cannot be used.
        name: what results call it: the path; bytes that are not valid text become �.
        path: the file; for a camera or a missing file the name as it was given.
        place: where an annotated copy goes, relative to the folder of all copies.
        reason: why it was skipped or failed, else empty.
        camera: the number of the camera.
        encoded: the content of a picture that is no file of its own.
    """

    kind: Kind
    name: str
    path: Path
    place: Path
    reason: str = ""
    camera: int = 0
    encoded: bytes | None = None


def expand(arguments: Iterable[str], containers: bool = False) -> Iterator[Input]:
    """Yields files in the order of the arguments, those of a folder or pattern sorted, and no file twice.

    Folders are searched with all folders below; hidden ones are left out. Links out of a folder are skipped.

    Args:
        arguments: files, folders, patterns (`*`, `?`, `[…]`, `**`), `webcam` or `webcam:INDEX`.
        containers: files with one of `CONTAINER_SUFFIXES` are told apart; else they are pictures that cannot
            be read where they are named, and skipped in folders.
    """
    kinds: dict[str, Kind] = {**_KINDS}
    if containers:
        kinds.update(dict.fromkeys(CONTAINER_SUFFIXES, "container"))
    seen: set[str] = set()
    for argument in arguments:
        for item in _expand_one(argument, kinds):
            if item.kind in ("camera", "failed"):
                yield item
            elif (identity := real_path(item.path)) not in seen:
                seen.add(identity)
                yield item


def _expand_one(argument: str, kinds: Kinds) -> Iterator[Input]:
    if not argument.strip():  # the path of nothing is the current folder
        yield _failed(repr(argument), "names nothing")
        return
    camera = _CAMERA.fullmatch(argument)
    try:
        path = Path(argument).expanduser()
        if path.is_dir():
            yield from _in_folder(path, kinds)
        elif os.path.lexists(path):
            yield _file(path, Path(path.name), kinds, known=True)
        elif camera:
            yield Input(
                "camera", argument, path, Path(argument.replace(":", "-")), camera=int(camera[1] or 0)
            )
        elif _PATTERN.search(argument):
            yield from _by_pattern(argument, path, kinds)
        elif "://" in argument:
            yield _failed(argument, "is an address, and nothing is downloaded: download it and name the file")
        else:
            yield _failed(argument, "does not exist")
    except (OSError, RuntimeError) as error:  # a name that is too long; ~NAME of nobody
        yield _failed(argument, f"cannot be opened: {getattr(error, 'strerror', None) or error}")


def _by_pattern(argument: str, path: Path, kinds: Kinds) -> Iterator[Input]:
    any_file = False
    for match in _matches(path):
        if not match.is_dir():
            any_file = True
            yield _file(match, Path(match.name), kinds, known=match.suffix.lower() in kinds)
    if not any_file:
        yield _failed(argument, "no file has such a name")


def _matches(pattern: Path) -> list[Path]:
    """Returns what a pattern names, sorted. `**` follows no links to folders: they may lead in a circle."""
    parts = pattern.parts
    if "**" not in parts:
        return [Path(match) for match in sorted(glob.glob(str(pattern)))]
    start = next(place for place, part in enumerate(parts) if _PATTERN.search(part))
    root = Path(*parts[:start])
    # `a**` is no special word; and a `**` at the end names the files too.
    rest = [part if part == "**" else re.sub(r"\*+", "*", part) for part in parts[start:]]
    found = root.glob("/".join([*rest, "*"] if rest[-1] == "**" else rest))
    if any(part.startswith(".") for part in rest):
        return sorted(found)
    return sorted(
        match for match in found if not any(part.startswith(".") for part in match.relative_to(root).parts)
    )


def _in_folder(folder: Path, kinds: Kinds) -> Iterator[Input]:
    root = real_path(folder)
    any_usable = False
    closed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=closed.append):  # does not follow links to folders
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if os.path.commonpath([root, real_path(path)]) != root:
                yield Input("skipped", text_of(path), path, path, "is a link out of the folder")
                continue
            entry = _file(path, path.relative_to(folder), kinds, known=path.suffix.lower() in kinds)
            any_usable |= entry.kind != "skipped"
            yield entry
    for error in closed:
        yield _failed(str(error.filename), f"cannot be read: {error.strerror}")
    if not any_usable and not closed:
        yield _failed(str(folder), "holds no picture and no video")


def _file(path: Path, place: Path, kinds: Kinds, known: bool) -> Input:
    """Classifies a file. If it is not `known` by its suffix it is skipped; else it counts as a picture."""
    if not os.path.isfile(path):
        reason = "is not a plain file" if os.path.exists(path) else "is a link to nothing"
        return Input("failed", text_of(path), path, place, reason)
    if not known:
        reason = f"is no picture and no video by its name ({text_of(path.suffix) or 'no suffix'})"
        return Input("skipped", text_of(path), path, place, reason)
    return Input(kinds.get(path.suffix.lower(), "picture"), text_of(path), path, place)


def _failed(name: str, reason: str) -> Input:
    return Input("failed", text_of(name), Path(name), Path(name), reason)
