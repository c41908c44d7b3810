"""Compares the images in a user's folder with those that a set stores: none is left out in silence."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from ferjax.data.builders.image_files import SUFFIXES
from ferjax.data.pictures import HEIC_BRANDS, HEIC_SUFFIXES
from ferjax.data.pictures import SUFFIXES as PICTURE_SUFFIXES
from ferjax.errors import listed
from ferjax.files import text_of

# Of pictures, whether ferjax reads them or not.
PICTURES = frozenset(
    (
        *SUFFIXES, *PICTURE_SUFFIXES, *HEIC_SUFFIXES, ".jif", ".jfi", ".apng", ".dib", ".gif", ".avif",
        ".jp2", ".j2k", ".jpx", ".jxl", ".jxr", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".tga", ".pcx",
        ".ico", ".sgi", ".ras", ".exr", ".hdr", ".psd", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw",
        ".orf", ".rw2",
    )
)  # fmt: skip
# What may hold an image among a named set's files, where no other file belongs.
_ALSO = frozenset((".eps", ".mat", ".npy", ".pdf", ".ps", ".svg"))
PACKED = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"P5\n", b"P6\n", b"8BPS",
)  # fmt: skip
_BRANDS = (b"avif", b"avis", *HEIC_BRANDS)
MOST_NOTES = 12


def pictures(folder: Path) -> Iterator[str]:
    """Yields every picture below a folder as a path relative to it.

    A picture is known by its suffix; a file of another suffix, or a hidden one, by its first bytes. Links are
    not followed: what they lead to counts where it lies.
    """
    return (name for name in _files(folder) if _is_picture(folder / name))


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(place, name)
            if not os.path.islink(path):
                yield os.path.relpath(path, folder)


def left_out(folder: Path, stored: Collection[str], why: Callable[[PurePosixPath], str]) -> list[str]:
    """Counts the pictures in a folder that a set does not store, a sentence for each reason.

    Archives in its folders count, too: they may hold some.

    Args:
        folder: of the user.
        stored: real paths of the files that are stored.
        why: a picture's path relative to `folder` → the reason, as the end of a sentence.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for name in _files(folder):
        path = PurePosixPath(name)
        packed = path.suffix.lower() in PACKED and len(path.parts) > 1
        if packed or (_is_picture(folder / name) and os.path.realpath(folder / name) not in stored):
            reason = "or more in an archive that is not unpacked" if packed else why(path)
            counts[reason] += 1
            first.setdefault(reason, name)
    notes = [
        f"left out: {number} image{'s' * (number > 1)} {reason}, as {shown(first[reason])}"
        for reason, number in counts.most_common()
    ]
    rest = notes[MOST_NOTES:]
    return notes[:MOST_NOTES] + ([f"images are left out for {len(rest)} further reasons"] if rest else [])


def unread(place: Path, read: Collection[Path], why: str = "as they lie where none belong") -> list[str]:
    """Counts the images below a folder that a builder did not list, by reason.

    Args:
        place: where the copy begins. Links are not followed.
        read: the files that were listed, as paths in `place`.
        why: the reason of those whose names are an image's.

    Returns:
        A sentence for each reason, none if everything was listed.
    """
    deeper, strange = Counter(), Counter()
    for where, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in files:
            path = Path(where, name)
            if name.startswith(".") or path in read:
                continue
            suffix = path.suffix.lower()
            if suffix in SUFFIXES:
                deeper[text_of(path.parent.relative_to(place))] += 1
            elif suffix in PICTURES | _ALSO or not suffix:
                strange[suffix or "no suffix"] += 1
    notes = []
    if deeper:
        places = listed(f"{count} in {name}/" for name, count in sorted(deeper.items()))
        notes.append(f"{sum(deeper.values())} images were left out, {why}: {places}")
    if strange:
        kinds = listed(f"{count} of {name}" for name, count in sorted(strange.items()))
        notes.append(
            f"{sum(strange.values())} files were left out, as no image that is read has such a name: {kinds}"
        )
    return notes


def why_unread(path: PurePosixPath) -> str:
    """Returns the reason why a picture is left out that lies in the right place."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return "not taken"
    if not suffix or suffix not in PICTURES:
        return f"without a suffix that names its format ({listed(SUFFIXES, most=3)} …)"
    return f"of the format {suffix}, which is not read (PNG and JPEG are)"


def shown(name: str) -> str:
    """Returns a file's name as a terminal and a text in UTF-8 can show it, shortened."""
    text = text_of(name, "backslashreplace")
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= 80 else f"…{text[-79:]}"


def _is_picture(path: Path) -> bool:
    if not path.name.startswith(".") and path.suffix.lower() in PICTURES:
        return True
    try:
        if not path.is_file():  # a pipe would wait for a writer
            return False
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return start.startswith(_STARTS) or webp or (start[4:8] == b"ftyp" and start[8:12] in _BRANDS)
