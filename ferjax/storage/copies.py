"""The folder of this machine where copies of object storage lie, and who still uses which."""

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ferjax.errors import UserError

VARIABLE = "FERJAX_STORAGE_DIR"
_IN_USE = "in-use"


def base() -> Path:
    """Returns the folder of all copies, $FERJAX_STORAGE_DIR or ~/.cache/ferjax/storage, and makes it.

    Raises:
        UserError: it cannot be made.
    """
    folder = Path(os.environ.get(VARIABLE) or "~/.cache/ferjax/storage").expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}; name another in {VARIABLE}") from error
    return folder.resolve()


@contextlib.contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[TextIO]:
    """Locks a file inside, which is made; yields it open.

    Raises:
        BlockingIOError: another process has it, and `how` holds `LOCK_NB`.
    """
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield file


@functools.cache
def own_folder() -> Path:
    """Makes the folder of this process's copies, which goes with it; removes those that killed ones left."""
    folder = base() / "copies"
    folder.mkdir(exist_ok=True)
    with locked(folder / ".lock"):
        own = Path(tempfile.mkdtemp(dir=folder, prefix=f"{os.getpid()}-"))
        in_use = (own / _IN_USE).open("w")
        fcntl.flock(in_use, fcntl.LOCK_SH)
        for other in folder.iterdir():
            # One without the file is kept, see `keep`.
            with contextlib.suppress(OSError), (other / _IN_USE).open() as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other, ignore_errors=True)
    atexit.register(_remove, own, in_use, os.getpid())
    return own


def _remove(own: Path, in_use: TextIO, process: int) -> None:
    """Removes the copies of a process that ends; a fork of it leaves them alone."""
    if os.getpid() == process and (own / _IN_USE).exists():
        in_use.close()
        shutil.rmtree(own, ignore_errors=True)


def keep() -> None:
    """Lets the copies of this process stay when it ends: something in them could not be stored."""
    (own_folder() / _IN_USE).unlink(missing_ok=True)
