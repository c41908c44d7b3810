"""Reads picture files of any common format as upright RGB."""

import io
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from ferjax.data.images import BadImage

# Pixels of the largest picture that is decoded: 192 MB as RGB. A file of a few kilobytes can claim any size.
LARGEST = 64_000_000
# Formats that PIL decodes by itself; it would hand EPS, for example, to another program. (MPO is a JPEG to
# it.)
_SAFE = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP",
)  # fmt: skip
SUFFIXES = frozenset(end for end, name in Image.registered_extensions().items() if name in _SAFE)
FORMATS = tuple(name for name in _SAFE if name in Image.OPEN)  # the ones that this PIL was built with
_WHITE = (255, 255, 255, 255)
_MAX_16, _MAX_8 = 65535, 255


def read(path: Path | str) -> np.ndarray:
    """Reads a picture file; see `decode`.

    Raises:
        BadImage: the file cannot be read; one line says why.
    """
    try:
        with open(path, "rb") as file:
            return _decode(file)
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from error


def decode(encoded: bytes) -> np.ndarray:
    """Decodes a picture as a person sees it.

    It is rotated as its EXIF says; transparent pixels become white; 16 bits become 8; of an animation the
    first picture is taken.

    Args:
        encoded: the bytes of a file in one of `FORMATS`.

    Returns:
        uint8 `[H, W, 3]`, RGB.

    Raises:
        BadImage: the bytes are no picture, are damaged, or has more than `LARGEST` pixels; one line says why.
    """
    return _decode(io.BytesIO(encoded))


def _decode(file: BinaryIO) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes, which are checked here, and about odd metadata
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > LARGEST:
                    raise BadImage(_too_large(f"{width:,}×{height:,} pixels"))
                return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage(_too_large("too many pixels")) from None
    except Image.UnidentifiedImageError:
        raise BadImage("is no picture of a known format (PNG, JPEG, WebP, TIFF, …)") from None
    except Exception as error:  # on damaged files PIL's decoders raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImage(f"is damaged ({reason[:120]})") from error


def _too_large(size: str) -> str:
    return f"has {size}; the limit is {LARGEST // 10**6} million pixels: make it smaller first"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_bytes(np.asarray(image))).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, _WHITE), colours).convert("RGB")
    return image.convert("RGB")


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Converts grey levels to 8 bits: integers from 16 bits, floats from the range 0 to 1."""
    if values.dtype.kind == "f":
        return np.rint(np.nan_to_num(values).clip(0, 1) * _MAX_8).astype(np.uint8)
    return np.rint(values.clip(0, _MAX_16) * (_MAX_8 / _MAX_16)).astype(np.uint8)
