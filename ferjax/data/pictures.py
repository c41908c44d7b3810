"""Opens picture files as users have them: every source of the user's own pictures is read here.

A picture is what a person sees: turned as its EXIF says, what is transparent white, 16 bits made 8, of an
animation the first image.
"""

import functools
import warnings
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ferjax.data.images import SAFE_FORMATS, BadImage, formats
from ferjax.data.plain_files import read_plain

SUFFIXES = frozenset(end for end, name in Image.registered_extensions().items() if name in SAFE_FORMATS)
# Photographs of phones, which PIL reads with a package of its own; without it they are named.
HEIC_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_WHITE = (255, 255, 255, 255)
_MAX_16, _MAX_8 = 65535, 255
_ORIENTATION = 0x0112

Mode = Literal["L", "RGB"]


class TooLarge(BadImage):
    """More pixels than are allowed: `size` in words, and `reason`, what the decoder says if it refused."""

    def __init__(self, size: str, reason: str = "") -> None:
        super().__init__(f"has {size}")
        self.size = size
        self.reason = reason


class Unreadable(BadImage):
    """The bytes are no picture, or damaged; `reason` is what the decoder says."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Picture(NamedTuple):
    """A picture in 8 bits.

    Attributes:
        image: grey or RGB.
        size: width and height of the file's image, before it was turned.
        kind: PIL's name of the format.
        untouched: the pixels are those that decoding gives, neither turned nor made of other levels.
    """

    image: Image.Image
    size: tuple[int, int]
    kind: str
    untouched: bool


def open_picture(file: BinaryIO, mode: Mode, most_pixels: int, *, turn: bool = True) -> Picture:
    """Decodes a picture.

    Args:
        file: of one of `ferjax.data.images.formats()`.
        mode: "L" (grey, ITU-R 601 luma) or "RGB".
        most_pixels: a file of a few kilobytes can claim any size; one above this is not decoded.
        turn: as the EXIF says. Boxes and landmarks of published sets belong to the picture as it lies.

    Raises:
        TooLarge: more than `most_pixels`.
        Unreadable: the bytes are no picture, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes, which are checked here, and about odd metadata
            with Image.open(file, formats=(*formats(), *_heic())) as opened:
                size, kind = opened.size, opened.format or ""
                if size[0] * size[1] > most_pixels:
                    raise TooLarge(f"{size[0]}×{size[1]} pixels")
                opened.load()  # a truncated file shows here
                turned = turn and opened.getexif().get(_ORIENTATION, 1) != 1
                image = ImageOps.exif_transpose(opened) if turned else opened
                untouched = not turned and "transparency" not in opened.info and opened.mode in ("L", mode)
                return Picture(_in_colours(image, mode), size, kind, untouched)
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge("too many pixels", str(error)) from None
    except Image.UnidentifiedImageError:
        raise _unknown(file) from None
    except Exception as error:  # on damaged files PIL's decoders raise anything
        reason = " ".join(str(error).partition(" <_io.")[0].split()) or type(error).__name__
        raise Unreadable(f"is damaged ({reason[:120]})", reason[:120]) from error


def read_file(path: Path | str, most_bytes: int) -> bytes:
    """Reads the bytes of a picture's file, see `read_plain`.

    Raises:
        BadImage: no plain file, not readable, or too large.
    """
    try:
        return read_plain(path, most_bytes)
    except ValueError as error:
        raise BadImage(str(error)) from error


@functools.cache
def _heic() -> tuple[str, ...]:
    """Returns the format of HEIC as PIL calls it, if the package that reads it is installed."""
    try:
        import pi_heif  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError:
        return ()
    pi_heif.register_heif_opener()
    return ("HEIF",)


def _unknown(file: BinaryIO) -> Unreadable:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        if _heic():
            return Unreadable("is a damaged HEIC photograph", "a damaged HEIC photograph")
        message = "is a HEIC photograph: pip install 'ferjax[heic]', or save it as JPEG or PNG first"
        return Unreadable(message, "a HEIC photograph: save it as JPEG or PNG first")
    return Unreadable(
        "is no picture of a known format (PNG, JPEG, WebP, TIFF, …)", "cannot identify image file"
    )


def _in_colours(image: Image.Image, mode: Mode) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_to_bytes(np.asarray(image)))
    elif "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        colours = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colours.size, _WHITE), colours).convert("RGB")
    return image.copy() if image.mode == mode else image.convert(mode)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Converts grey levels to 8 bits: integers from 16 bits, floats from the range 0 to 1."""
    if values.dtype.kind == "f":
        return np.rint(np.nan_to_num(values).clip(0, 1) * _MAX_8).astype(np.uint8)
    return np.rint(values.clip(0, _MAX_16) * (_MAX_8 / _MAX_16)).astype(np.uint8)
