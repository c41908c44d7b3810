"""Reads annotations that are .npy files of one number, as AffectNet's layout of 2021 has them."""

import io
import os
from pathlib import Path

import numpy as np

from ferjax.data.plain_files import read_plain

MAX_NPY = 4096  # bytes


def read_label(path: Path) -> str:
    """Reads an `_exp.npy` file, see `read_text`, and returns its whole number as text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds anything else.
    """
    text = read_text(path)
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text[:20]!r} is not a whole number")
    return str(int(number))


def read_text(path: Path) -> str:
    """Reads an annotation: a .npy file with an array of one number, or of one text that is a number.

    Returns:
        The number as text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: anything else. A pickle is never loaded.
    """
    if not os.path.lexists(path):
        raise FileNotFoundError(path)
    file = io.BytesIO(read_plain(path, MAX_NPY))
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the .npy format, expected (1, 0)")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # NumPy evaluates the header as Python text, which raises anything
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(f"a damaged .npy header ({reason})") from error
    if dtype.hasobject:
        raise ValueError("holds a pickle, which is never loaded")
    # True == 1, and a header may say so.
    if shape not in ((), (1,)) or bool in map(type, shape) or dtype.kind not in "USiuf":
        raise ValueError(f"an array of shape {shape} and type {dtype}, expected one number")
    file.seek(0)
    value = np.lib.format.read_array(file, allow_pickle=False).item()
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    try:
        float(text)
    except ValueError:
        raise ValueError(f"{text[:20]!r} is no number") from None
    return text
