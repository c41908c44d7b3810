"""The archive of a pack, and how it is written: the same bytes for the same files.

It is a .zip whose members are not compressed. So its bytes do not depend on a compressor's version, and it
cannot unpack to more than its own size. `pack.json` in it lists every other member with its size and SHA-256.
Neither is a signature: to know that a pack is its author's, compare the SHA-256 of its `pack.json`, which
`ferjax pack` and `ferjax unpack` print, with the one that the author published.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import ferjax
from ferjax.errors import UserError
from ferjax.files import replacing, to_json
from ferjax.platform import outputs

VERB, MANIFEST, FORMAT, VERSION = "pack", "pack.json", "ferjax pack", 1
BLOCK = 2**20  # bytes that are read at a time
Content = bytes | Path  # a member's content, or the file that holds it

_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@,-]*")
_LONGEST_NAME = 1000


def is_safe(name: str) -> bool:
    """Tells whether a member may have this name: letters, digits and few signs, no way out of a folder."""
    return len(name) <= _LONGEST_NAME and all(_PART.fullmatch(part) for part in name.split("/"))


def write(path: Path, files: Mapping[str, Content], about: Mapping[str, Any]) -> str:
    """Writes an archive; the same arguments give the same bytes.

    Args:
        path: of the archive; an earlier pack there is replaced.
        files: member → content.
        about: what the manifest holds beside the list of files.

    Returns:
        The SHA-256 of the manifest.

    Raises:
        UserError: a name may not be in a pack, a file cannot be read, or the place cannot be written.
    """
    if wrong := sorted(name for name in files if not is_safe(name) or name == MANIFEST):
        raise UserError(f"{wrong[0][:200]!r} cannot be packed under this name; rename it")
    manifest = to_json(
        {
            "format": FORMAT,
            "version": VERSION,
            "ferjax": ferjax.__version__,
            **about,
            "files": {name: entry_of(files[name]) for name in sorted(files)},
        }
    )
    outputs.check(VERB, path)
    with outputs.describing_errors(path), replacing(path) as unfinished:
        with zipfile.ZipFile(unfinished, "w") as archive:
            archive.comment = outputs.mark(VERB)
            for name in (MANIFEST, *sorted(files)):
                content = manifest if name == MANIFEST else files[name]
                info = zipfile.ZipInfo(name, _DATE)
                info.external_attr, info.create_system = _MODE, _UNIX
                info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
                with archive.open(info, "w") as member, _opened(content) as source:
                    shutil.copyfileobj(source, member, BLOCK)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
    return hashlib.sha256(manifest).hexdigest()


@contextlib.contextmanager
def _opened(content: Content) -> Iterator[IO[bytes]]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield file
    else:
        yield io.BytesIO(content)


def entry_of(content: Content) -> dict[str, Any]:
    """Returns what the list says of a member: `bytes` and `sha256`.

    Raises:
        UserError: its file cannot be read.
    """
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    try:
        with content.open("rb") as file:
            return {
                "bytes": content.stat().st_size,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
    except OSError as error:
        raise UserError(f"{content} cannot be read: {error.strerror}") from error
