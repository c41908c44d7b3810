"""Arrays that are kept in files beside a built set: read if whole, written all at once."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np

from ferjax.files import replacing


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
    with contextlib.suppress(OSError), replacing(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
