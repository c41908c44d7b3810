"""Keeps arrays in files beside a built set: read if whole, written all at once."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np

from ferjax.files import replacing


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Returns the arrays of an .npz file by name; None if there is no file, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes arrays by name; a reader sees the old file or the new one, whole.

    Where the folder is not writable nothing is kept, and the next process computes the arrays again.
    """
    with contextlib.suppress(OSError), replacing(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
