"""The smallest valid inputs, made once."""

import functools
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def shade(name: str) -> int:
    """The grey that stands for a class."""
    return 20 + 30 * CLASSES.index(name)


@functools.cache
def encoded(kind: str = "PNG", mode: str = "L", grey: int = 128, size: tuple[int, int] = (12, 12)) -> bytes:
    """A picture of one grey, in the bytes of a file."""
    if mode in ("I;16", "F"):
        image = Image.fromarray(
            np.full(
                size[::-1], grey * 257 if mode == "I;16" else grey / 255, "u2" if mode == "I;16" else "f4"
            )
        )
    else:
        image = Image.new("L", size, grey).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


PICTURES = (
    ("PNG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "1"), ("PNG", "I;16"),
    ("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("BMP", "RGB"), ("TIFF", "L"), ("TIFF", "RGB"),
    ("TIFF", "F"),
    ("TIFF", "I;16"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("GIF", "P"), ("PPM", "L"),
)  # fmt: skip


def kept(write: Callable[[Path], object]) -> dict[str, bytes]:
    """Lets a function write into a folder; returns the files as path → content."""
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        return {
            str(path.relative_to(place)): path.read_bytes()
            for path in sorted(Path(place).rglob("*"))
            if path.is_file()
        }


def lay(files: Mapping[str, bytes], folder: Path) -> Path:
    """Writes what `kept` returned into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
