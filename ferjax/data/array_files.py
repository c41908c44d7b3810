"""Arrays that are kept in files beside a built set: read if whole, written all at once."""

import contextlib
import uuid
import zipfile
from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Returns the arrays of an .npz file by name; None if there is none, or it is spoilt."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes arrays by name; a reader sees the old file or the new one, whole.

    The folder may not be ours to write to. Then nothing is kept, and the next process works it out again.
    """
    # Several processes may do this at once: each has a name of its own for the unfinished file.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        try:
            path.parent.mkdir(exist_ok=True)
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
