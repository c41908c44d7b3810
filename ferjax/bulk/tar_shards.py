"""Finds and reads the pictures and videos in .tar archives, as WebDataset's shards are; unpacks nothing."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ferjax.bulk.entries import Entry
from ferjax.data.images import BadImage
from ferjax.inference import pictures
from ferjax.inference.inputs import VIDEO_SUFFIXES

_BLOCK = 1 << 20  # bytes
_SUFFIXES = (*pictures.SUFFIXES, *VIDEO_SUFFIXES)


def members(path: Path, name: str) -> Iterator[Entry]:
    """Lists the pictures and videos of an archive by their names' suffixes; other members are passed over.

    Args:
        path: the archive.
        name: what it is called in the entries.

    Yields:
        Its members, in order. One that is a link or too large is `failed`; so is the archive, at the end, if
        it cannot be read, or not to its end.
    """
    count = 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue]  (it would keep all)
                if PurePosixPath(member.name).suffix.lower() not in _SUFFIXES:
                    continue
                count += 1
                yield _entry(member, name)
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        where = f"after {count:,} of its pictures and videos" if count else "at its beginning"
        reason = f"cannot be read as an uncompressed .tar {where} ({_told(error)})"
        yield Entry("failed", name, reason)
        return
    if not count:
        yield Entry("failed", name, "holds no picture and no video")


def _entry(member: tarfile.TarInfo, name: str) -> Entry:
    if not member.isfile() or member.issparse():
        reason = "is a link or no plain file in its archive"
    elif member.size > pictures.MAX_BYTES and PurePosixPath(member.name).suffix.lower() in pictures.SUFFIXES:
        reason = f"has {member.size:,} bytes; the limit is {pictures.MAX_BYTES:,}"
    else:
        return Entry("member", name, "", member.name, member.offset_data, member.size)
    return Entry("failed", f"{name}#{member.name}", reason)


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).partition("\n")[0]


def blocks(path: Path, start: int, size: int) -> Iterator[bytes]:
    """Reads a member's content, a little at a time.

    Raises:
        BadImage: the archive cannot be read there.
    """
    left = size
    try:
        with path.open("rb") as file:
            file.seek(start)
            while left and (content := file.read(min(left, _BLOCK))):
                left -= len(content)
                yield content
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from error
    if left:
        raise BadImage("is cut off in its archive")
