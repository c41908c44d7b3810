"""Reads a user's file whole, once it is known to be a plain one and not too large."""

import stat
from pathlib import Path


def read_plain(path: Path | str, most_bytes: int) -> bytes:
    """Reads a plain file whole. A pipe is not waited for, and a device not read without end.

    Raises:
        ValueError: it is no plain file, cannot be read, or has more than `most_bytes`; one line says why.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a plain file")
        if status.st_size > most_bytes:
            size = f"{most_bytes >> 20} MiB" if most_bytes >> 20 else f"{most_bytes >> 10} KiB"
            raise ValueError(f"has more than {size}")
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
