"""Decodes stored images to uint8 arrays and encodes them; every source decodes and resizes here."""

import functools
import io

import numpy as np
from PIL import Image

from ferjax.data.jpeg import decode_jpeg
from ferjax.data.resize import resize

_MODES = {1: "L", 3: "RGB"}
_GREY_MODES = ("1", "L", "LA")
# Formats that PIL decodes by itself; it would hand EPS, for example, to another program. (MPO is a JPEG to
# it.)
SAFE_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP",
)  # fmt: skip


class BadImage(ValueError):
    """The bytes are not an image that can be read."""


@functools.cache
def formats() -> tuple[str, ...]:
    """Returns those of `SAFE_FORMATS` that this PIL was built with."""
    Image.init()
    return tuple(name for name in SAFE_FORMATS if name in Image.OPEN)


def decode(
    encoded: bytes, image_size: int | None = None, channels: int | None = None, filter: str = "pil"
) -> np.ndarray:
    """Decodes an image and resizes it. The result is square: other images are stretched, not cropped.

    Args:
        encoded: a PNG, JPEG or other file of one of `formats()`.
        image_size: height and width of the result; the image's own if left out.
        channels: 1 (grey, ITU-R 601 luma) or 3 (RGB); grey images stay 1 and others 3 if left out.
            An alpha channel is dropped.
        filter: how it is resized, see `ferjax.data.resize.resize`. With `draft` a JPEG that is twice, four or
            eight times as large as the result, or more, is decoded at a half, a quarter or an eighth of its
            size, as PIL's `Image.draft` does.

    Returns:
        uint8 [H, W, C], 0–255.

    Raises:
        BadImage: the bytes cannot be decoded.
    """
    least = image_size or 0 if filter == "draft" else 0
    array = decode_jpeg(encoded, channels, least)
    if array is None:
        array = _decode_with_pil(encoded, channels, least)
    if image_size is None or array.shape[:2] == (image_size, image_size):
        return array
    return resize(array, image_size, filter)


def _decode_with_pil(encoded: bytes, channels: int | None, least: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(encoded), formats=formats()) as opened:
            if least:
                opened.draft(None, (least, least))
            grey = opened.mode in _GREY_MODES
            array = np.asarray(opened.convert(_MODES[channels or (1 if grey else 3)]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage(f"not a readable image ({error})") from error
    return array[:, :, None] if array.ndim == 2 else array


def encode_png(image: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, C] (C is 1 or 3) losslessly as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()
