"""Turns image files as users have them into what a set stores: checked, upright, cropped, not too large."""

import io
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ferjax.data.images import BadImage
from ferjax.data.pictures import Picture, TooLarge, Unreadable, open_picture, read_file
from ferjax.files import inside

# Files of these names are looked for in a set's folders; their content may be of any format that is read.
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp")
# A small file can unpack to anything: no photograph of a face needs more than this.
MAX_PIXELS = 50_000_000
MAX_BYTES = 2**28
# Where a set has images of all sizes, the shorter side of a stored one is at most this.
SHORTER_SIDE = 256
JPEG_QUALITY = 95
Box = tuple[float, float, float, float]


class Stored(NamedTuple):
    """An image as it is stored.

    Attributes:
        encoded: JPEG or PNG.
        size: width and height of the file's image.
    """

    encoded: bytes
    size: tuple[int, int]


class Loaded(NamedTuple):
    """An image file's picture.

    Attributes:
        picture: whole, see `ferjax.data.pictures`.
        encoded: the file's bytes.
    """

    picture: Picture
    encoded: bytes


def load_image(path: Path, *, channels: int, turn: bool = True) -> Loaded:
    """Reads an image file.

    Args:
        path: see `ferjax.data.pictures.open_picture` for what is read and how.
        channels: 1 (grey) or 3.
        turn: as the EXIF says.

    Raises:
        BadImage: missing, unreadable, truncated or too large.
    """
    if not os.path.exists(path):
        raise BadImage("no such file")
    encoded = read_file(path, MAX_BYTES)
    mode = "L" if channels == 1 else "RGB"
    try:
        return Loaded(open_picture(io.BytesIO(encoded), mode, MAX_PIXELS, turn=turn), encoded)
    except TooLarge as error:
        too_large = f"{error.size} are more than {MAX_PIXELS:,}"
        raise BadImage(f"not a readable image ({error.reason})" if error.reason else too_large) from error
    except Unreadable as error:
        raise BadImage(f"not a readable image ({error.reason})") from error


def read_image(
    path: Path, *, side: int | None, channels: int, box: Box | None = None, margin: float = 0.0
) -> Stored:
    """Reads an image file and gives the bytes to store.

    A JPEG or PNG file that needs no change is stored byte for byte. Whatever is changed is encoded
    again: as JPEG of quality 95 if it was one, else as PNG.

    Args:
        path: see `load_image`.
        side: the image is resized to this height and width; if None, an image whose shorter side is
            above `SHORTER_SIDE` is reduced to that, and its shape kept.
        channels: 1 (grey) or 3.
        box: left, top, right, bottom in pixels. The smallest square around it, of the same middle, is cut
            out before resizing, so that nothing is stretched. What lies outside the image is black. Boxes
            belong to the image as it lies in the file: it is not turned.
        margin: what the square grows by on each side, a part of its side, at least 0.

    Raises:
        BadImage: missing, unreadable, truncated or too large, or the box is not on the image.
    """
    (image, size, kind, untouched), encoded = load_image(path, channels=channels, turn=box is None)
    if box is not None:
        image = image.crop(_square(box, margin, size))
    target = _target(image.size, side)
    if kind in ("JPEG", "PNG") and untouched and box is None and target == image.size:
        return Stored(encoded, size)
    if image.size != target:
        image = image.resize(target, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    if kind == "JPEG":
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG")
    return Stored(buffer.getvalue(), size)


def image_paths(folder: Path, place: Path) -> Iterator[Path]:
    """Yields what `place` holds under an image's name, in order; hidden and other files are left out.

    What is no file is yielded too: reading it says so.

    Raises:
        UserError: one leads out of `folder`.
    """
    for path in sorted(inside(folder, place).iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield inside(folder, path)


def subfolders(folder: Path, place: Path) -> list[Path]:
    """Returns the folders in `place` by name, without hidden ones and those that archivers leave behind.

    Raises:
        UserError: one leads out of `folder`.
    """
    return [
        inside(folder, path)
        for path in sorted(inside(folder, place).iterdir())
        if path.is_dir() and not path.name.startswith((".", "__"))
    ]


def folder_that(folder: Path, wanted: Callable[[set[str]], bool], *, deepest: int) -> Path | None:
    """Finds where a copy begins: archives unpack into folders of their own.

    Args:
        folder: of the user.
        wanted: the names of the folders in one → whether that is the place.
        deepest: how many levels below `folder` are searched. Links are not followed.

    Returns:
        The highest such folder, the first by name; None if there is none.
    """
    level = [folder]
    for _ in range(deepest + 1):
        below = []
        for place in level:
            folders = [path for path in sorted(place.iterdir()) if path.is_dir()]
            if wanted({path.name for path in folders}):
                return place
            below += [path for path in folders if not path.is_symlink() and not path.name.startswith(".")]
        level = below
    return None


def _target(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    if side is not None:
        return side, side
    scale = min(1.0, SHORTER_SIDE / min(size))
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _square(box: Box, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Grows a box to a square of whole pixels; raises BadImage if it is empty, off the image or huge."""
    left, top, right, bottom = box
    text = "box " + " ".join(f"{number:g}" for number in box) + " (left top right bottom)"
    if not all(map(math.isfinite, box)) or left >= right or top >= bottom:
        raise BadImage(f"{text} is empty")
    if right <= 0 or bottom <= 0 or left >= size[0] or top >= size[1]:
        raise BadImage(f"{text} is off the image of {size[0]}×{size[1]} pixels")
    if max(right - left, bottom - top) > 2 * max(size):
        raise BadImage(f"{text} is far larger than the image of {size[0]}×{size[1]} pixels")
    side = max(round(max(right - left, bottom - top) * (1 + 2 * margin)), 1)
    if side * side > MAX_PIXELS:
        raise BadImage(f"{text} with its margin has more than {MAX_PIXELS:,} pixels")
    first, upper = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return first, upper, first + side, upper + side
