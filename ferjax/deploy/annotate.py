"""Draws a box around each face of a picture, with its most likely classes."""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferjax.deploy.output_rows import Row, is_unsure, top_classes
from ferjax.report.palette import DARK, LIGHT, SERIES

_LETTER = 1 / 34  # height of letters, as a share of the picture's shorter side
_SMALLEST, _LARGEST = 9, 64  # pixels


def annotate(
    image: np.ndarray,
    rows: Sequence[Row],
    label_names: Sequence[str],
    top_k: int = 3,
    unsure_below: float = 0.0,
) -> np.ndarray:
    """Draws onto a copy of a picture.

    Args:
        image: uint8 `[H, W, 3]`.
        rows: its faces; for a face without a box the panel is in the upper left corner.
        label_names: the K classes.
        top_k: how many of a face's classes are written; 0: all.
        unsure_below: a face whose most likely class has less than this is drawn in grey, and called unsure.

    Returns:
        uint8 `[H, W, 3]`.
    """
    shown = Image.fromarray(image)
    draw = ImageDraw.Draw(shown, "RGBA")
    size = round(np.clip(min(shown.size) * _LETTER, _SMALLEST, _LARGEST))
    for row in rows:
        if row.probabilities is None:
            continue
        unsure = is_unsure(row.probabilities, unsure_below)
        colour = LIGHT["muted" if unsure else SERIES[int(row.probabilities.argmax()) % len(SERIES)]]
        if row.box is not None:
            draw.rounded_rectangle(row.box, size / 3, outline=colour, width=max(2, size // 6))
        chances = top_classes(row.probabilities, label_names, top_k)
        if unsure:
            first, *_ = chances
            chances = {
                f"unsure: {first}" if name == first else name: chance for name, chance in chances.items()
            }
        _label(draw, shown.size, row.box or (0, 0, 0, 0), chances, colour, size)
    return np.asarray(shown)


@functools.lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _label(
    draw: ImageDraw.ImageDraw,
    picture: tuple[int, int],
    box: tuple[float, float, float, float],
    chances: dict[str, float],
    colour: str,
    size: int,
) -> None:
    """Draws a panel of bars under the box, or above it if there is no room; always inside the picture."""
    font, gap = _font(size), size // 3
    left, top, right, bottom = box
    longest = max(draw.textlength(name, font) for name in chances)
    width = max(longest + draw.textlength(" 100 %", font) + 4 * gap, right - left)
    height = len(chances) * (size + 2 * gap) + gap
    left = min(max(left, 0), max(picture[0] - width, 0))
    y = bottom + gap
    if y + height > picture[1]:
        y = top - gap - height
    y = min(max(y, 0), max(picture[1] - height, 0))
    draw.rounded_rectangle((left, y, left + width, y + height), gap, fill=f"{DARK['page']}c8")
    for name, chance in chances.items():
        y += gap
        bar = (left + gap, y, left + gap + (width - 2 * gap) * chance, y + size + gap)
        draw.rounded_rectangle(bar, gap / 2, fill=f"{colour}d0")
        middle = y + (size + gap) / 2
        draw.text((left + 2 * gap, middle), name, fill="white", font=font, anchor="lm")
        draw.text((left + width - 2 * gap, middle), f"{chance:.0%}", fill="white", font=font, anchor="rm")
        y += size + gap
