"""Decodes JPEG straight into an array: the bytes that PIL gives, in half the time."""

import re

import numpy as np
import simplejpeg
from PIL import Image

# libjpeg's name of the colours in the file → channels, and the name of the same colours in an array.
_LAYOUTS = {"YCbCr": (3, "RGB"), "Gray": (1, "GRAY")}
# A marker in the compressed data: 0xFF that neither stands for itself nor restarts the decoder nor fills.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def count_scans(encoded: bytes) -> int:
    """Counts how often the first image of a JPEG file goes over its pixels; 0 for other files.

    A progressive image has some ten scans. Each takes the decoder time for every pixel and the file a few
    bytes, so a small file can ask for hours.
    """
    scans, place = 0, 2
    if not encoded.startswith(b"\xff\xd8"):
        return 0
    while found := _MARKER.search(encoded, place):
        kind, place = encoded[found.start() + 1], found.end()
        if kind == _END_OF_IMAGE:
            break
        scans += kind == _START_OF_SCAN
        place += int.from_bytes(encoded[place : place + 2], "big")  # the segment, such as a thumbnail
    return scans


def decode_jpeg(encoded: bytes, channels: int | None, least: int = 0) -> np.ndarray | None:
    """Decodes a JPEG whose colours need no conversion.

    PIL and simplejpeg both call libjpeg-turbo; PIL first unpacks to four bytes a pixel and then copies twice.

    Args:
        encoded: any file.
        channels: 1 or 3; the file's own if left out.
        least: height and width that the result must have at least; then it is a half, a quarter or an eighth
            of the image where that suffices. The decoder leaves out the frequencies that this cannot show,
            which takes a fraction of the time. 0: the whole image.

    Returns:
        uint8 [H, W, C]; None for what PIL must decode: other formats, colour to grey and grey
        to colour, uncommon colours, damage of any kind, and images so large that PIL warns.
    """
    if not encoded.startswith(b"\xff\xd8"):
        return None
    try:
        high, wide, colours, _ = simplejpeg.decode_jpeg_header(encoded)
        height, width = int(high), int(wide)
        own, name = _LAYOUTS.get(colours, (0, ""))
        too_large = height * width > (Image.MAX_IMAGE_PIXELS or np.inf)
        if not own or channels not in (None, own) or too_large:
            return None
        part = _part(height, width, least)
        high, wide = -(-height // part), -(-width // part)
        return simplejpeg.decode_jpeg(encoded, name, min_height=high, min_width=wide)
    except ValueError:
        return None


def _part(height: int, width: int, least: int) -> int:
    """Returns 8, 4, 2 or 1: what an image can be divided by and still have `least` pixels each way; 0: 1.

    The decoder knows other parts too, such as 5/8, but is no faster with them, and PIL does not take them.
    """
    most = min(height, width) // least if least else 1
    return next((part for part in (8, 4, 2) if part <= most), 1)
