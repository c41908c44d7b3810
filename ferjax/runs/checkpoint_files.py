"""The files of checkpoints: their names, their JSON object `meta`, and what an error in reading them means.

Damage is what cannot be as it was written: a file that is missing or cut short, or a checksum that fails. A
file that the system would not give, for example for want of permission, may well be whole.
"""

import contextlib
import errno
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferjax.errors import UserError

FOLDER = "checkpoints"
STATE, META = "state", "meta"
# Errors after which a file may be whole all the same. One that is not there is damage.
_UNREADABLE = (
    errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ELOOP,
    errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EBUSY, errno.EAGAIN,
    errno.EROFS, errno.ENOSPC, errno.EDQUOT,
)  # fmt: skip


class Damaged(UserError):
    """A checkpoint that cannot be read back as it was written."""


def sealed(meta: dict[str, Any]) -> dict[str, Any]:
    """Returns `meta` with a checksum of its other fields, in place of an earlier one."""
    rest = {name: value for name, value in meta.items() if name != "checksum"}
    return {**rest, "checksum": zlib.crc32(json.dumps(rest, sort_keys=True).encode())}


def is_step(name: str) -> bool:
    """Checks whether a folder of this name is a checkpoint: a number as Orbax writes it.

    >>> [name for name in ("0", "20", "020", "20.bak", "²") if is_step(name)]
    ['0', '20']
    """
    return re.fullmatch("0|[1-9][0-9]*", name) is not None


def is_unfinished(name: str) -> bool:
    """Checks whether a folder of this name is one that Orbax was writing when its process ended.

    >>> is_unfinished("20.orbax-checkpoint-tmp"), is_unfinished("20.bak")
    (True, False)
    """
    return re.fullmatch(r"[0-9]+\.orbax-checkpoint-tmp(-[0-9]+)?", name) is not None


def steps_in(folder: Path) -> list[int]:
    """Returns the steps that have a folder in a folder of checkpoints, ascending; none if it is not there.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        return sorted(int(path.name) for path in folder.iterdir() if is_step(path.name) and path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"the checkpoints in {folder} cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """Turns what goes wrong while a checkpoint is read into one line, and says whether it is damage.

    Raises:
        Damaged: the checkpoint differs from what was written.
        UserError: it could not be read, and may be whole.
    """
    if special := _special(checkpoint):
        raise UserError(f"{special} is a pipe or a device, and no file of a checkpoint; remove it")
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Orbax passes on whatever the libraries below it raise
        if trouble := _trouble(error) or _barred(checkpoint):
            raise UserError(
                f"the checkpoint {checkpoint} cannot be read ({trouble}) and was left as it is; make it "
                "readable and run the same command again"
            ) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Damaged(f"the checkpoint {checkpoint} is damaged ({lines[0][:160]})") from error


def _special(checkpoint: Path) -> str | None:
    """Names a pipe or a device in a checkpoint, which Orbax would wait for or read without end."""
    for folder, _, files in os.walk(checkpoint):
        for path in (os.path.join(folder, name) for name in files):
            if os.path.exists(path) and not os.path.isfile(path):
                return path
    return None


def _trouble(error: BaseException | None) -> str | None:
    """Returns the system's words for why a file could not be read; None for any other error."""
    while error is not None:
        number, text = getattr(error, "errno", None), str(error)
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
            return "there is not enough memory"
        for code in _UNREADABLE:
            if number == code or os.strerror(code) in text:  # TensorStore quotes it
                return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None


def _barred(checkpoint: Path) -> str | None:
    """Names the first file or folder of a checkpoint that this process may not read; None if it may read all.

    Orbax takes a file that it may not read for one that is not there.
    """
    barred: list[OSError] = []
    for folder, _, files in os.walk(checkpoint, onerror=barred.append):
        for path in (os.path.join(folder, name) for name in files):
            if not os.access(path, os.R_OK):
                return f"{path}: {os.strerror(errno.EACCES)}"
    others = [error for error in barred if not isinstance(error, FileNotFoundError | NotADirectoryError)]
    return f"{others[0].filename}: {others[0].strerror}" if others else None
