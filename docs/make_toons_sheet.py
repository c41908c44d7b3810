"""Draws the contact sheets in docs/: for every class of a style, clean faces above images as in the set.

python docs/make_toons_sheet.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ferjax.data.seeded import Draws
from ferjax.data.toons.plan import drawn_labels
from ferjax.data.toons.pose import SIZE
from ferjax.data.toons.render import draw_example, draw_face, draw_person
from ferjax.data.toons.table import STYLES

_COLUMNS = 10
_LABEL_WIDTH = 56


def contact_sheet(style: str) -> Image.Image:
    """Two rows a class: clean faces of the class's recipes, then the first test images of the class."""
    toon = STYLES[style]
    labels = drawn_labels(style, "test")
    drawn = [name for name in toon.names if toon.recipes[name]]
    sheet = Image.new("RGB", (_LABEL_WIDTH + _COLUMNS * SIZE, 2 * len(drawn) * SIZE), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(drawn):
        pen.text((2, (2 * row + 1) * SIZE - 6), name, fill="black")
        indices = np.flatnonzero(labels == toon.names.index(name))[:_COLUMNS]
        for column, index in enumerate(indices):
            draws = Draws("sheet", style, name, column)
            recipe = draws.pick(toon.recipes[name])
            face = {part: draws.pick(variants) for part, variants in recipe.items()}
            clean = draw_face(style, face | draw_person(style, column), f"sheet/{column}")
            image, *_ = draw_example(style, "test", int(index), name)
            for line, pixels in enumerate((clean, image)):
                sheet.paste(Image.fromarray(pixels), (_LABEL_WIDTH + column * SIZE, (2 * row + line) * SIZE))
    return sheet


def main() -> None:
    """Writes docs/toons_STYLE.png for every style."""
    for style in STYLES:
        # A palette keeps the files small; noise would make them ten times larger.
        palette = contact_sheet(style).quantize(256, dither=Image.Dither.NONE)
        palette.save(Path(__file__).with_name(f"toons_{style}.png"), optimize=True)


if __name__ == "__main__":
    main()
