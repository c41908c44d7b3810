"""Reads picture files of any common format as upright RGB, within the limits of a prediction."""

import io
from pathlib import Path

import numpy as np

from ferjax.data.images import BadImage
from ferjax.data.pictures import HEIC_SUFFIXES, TooLarge, open_picture, read_file
from ferjax.data.pictures import SUFFIXES as READABLE

# Pixels of the largest picture that is decoded: 192 MB as RGB.
LARGEST = 64_000_000
MAX_BYTES = 2**28
# Names that say "picture"; those that cannot be read are told, not passed over.
SUFFIXES = READABLE | HEIC_SUFFIXES


def read(path: Path | str) -> np.ndarray:
    """Reads a picture file; see `decode`.

    Raises:
        BadImage: the file cannot be read; one line says why.
    """
    return decode(read_file(path, MAX_BYTES))


def decode(encoded: bytes) -> np.ndarray:
    """Decodes a picture as a person sees it, see `ferjax.data.pictures`.

    Args:
        encoded: the bytes of a file in one of `ferjax.data.images.formats()`.

    Returns:
        uint8 `[H, W, 3]`, RGB.

    Raises:
        BadImage: the bytes are no picture, are damaged, or has more than `LARGEST` pixels; one line says why.
    """
    try:
        return np.asarray(open_picture(io.BytesIO(encoded), "RGB", LARGEST).image)
    except TooLarge as error:
        limit = f"the limit is {LARGEST // 10**6} million pixels: make it smaller first"
        raise BadImage(f"has {error.size}; {limit}") from None
