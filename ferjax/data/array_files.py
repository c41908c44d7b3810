"""Keeps arrays in files beside a built set: read if whole, written all at once."""

import contextlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ferjax.files import replacing


def read_arrays(path: Path, names: Collection[str] = ()) -> dict[str, np.ndarray] | None:
    """Returns the arrays of an .npz file by name; None if there is no file, or a damaged one.

    Args:
        path: of the file.
        names: of the arrays to read, where the others would take memory for nothing; all if empty.
    """
    if not path.is_file():  # opening a pipe would wait for ever
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in names or stored.files}
    except Exception:  # zipfile and NumPy, which evaluates a header as Python text, raise anything
        return None
    # What does not begin as an array comes as bytes.
    return arrays if all(isinstance(array, np.ndarray) for array in arrays.values()) else None


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes arrays by name; a reader sees the old file or the new one, whole.

    Where the folder is not writable nothing is kept, and the next process computes the arrays again.
    """
    with contextlib.suppress(OSError), replacing(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
