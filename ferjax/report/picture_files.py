"""Writes the pictures of a page beside it, as PNG and SVG."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ferjax.platform import outputs
from ferjax.report import figures


def picture_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Lists the files that `write_pictures` writes."""
    return [folder / f"{name}.{kind}" for name in names for kind in ("png", "svg")]


def write_pictures(verb: str, folder: Path, pictures: Mapping[str, Figure]) -> None:
    """Writes each figure as NAME.png and NAME.svg; `verb` as in `ferjax.platform.outputs`."""
    for name, figure in pictures.items():
        outputs.write(verb, folder / f"{name}.png", figures.png(figure))
        outputs.write(verb, folder / f"{name}.svg", figures.svg(figure))
