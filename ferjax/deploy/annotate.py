"""Draws a box around each face of a picture, with its most likely classes, valence and arousal."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferjax.deploy.output_rows import Row, affect_by_name, is_unsure, signed, top_classes
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
        rows: its faces; for a face without a box the panel is in the upper left corner. A face that is unlike
            those of training is drawn in grey, and called unlike.
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
        unsure = "unsure" if is_unsure(row.probabilities, unsure_below) else ""
        doubt = "unlike" if row.unlike else unsure
        colour = LIGHT["muted" if doubt else SERIES[int(row.probabilities.argmax()) % len(SERIES)]]
        if row.box is not None:
            draw.rounded_rectangle(row.box, size / 3, outline=colour, width=max(2, size // 6))
        chances = top_classes(row.probabilities, label_names, top_k)
        if doubt:
            first, *_ = chances
            chances = {
                f"{doubt}: {first}" if name == first else name: chance for name, chance in chances.items()
            }
        panel = _Panel(chances, affect_by_name(row), colour)
        _label(draw, shown.size, row.box or (0, 0, 0, 0), panel, size)
    return np.asarray(shown)


class _Panel(NamedTuple):
    """What stands beside a face: classes, then valence and arousal if there are any."""

    chances: dict[str, float]
    values: dict[str, float]
    colour: str


@functools.lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _label(
    draw: ImageDraw.ImageDraw,
    picture: tuple[int, int],
    box: tuple[float, float, float, float],
    panel: _Panel,
    size: int,
) -> None:
    """Draws a panel of bars under the box, or above it if there is no room; always inside the picture."""
    font, gap = _font(size), size // 3
    left, top, right, bottom = box
    longest = max(draw.textlength(name, font) for name in (*panel.chances, *panel.values))
    width = max(longest + draw.textlength(" 100 %", font) + 4 * gap, right - left)
    height = (len(panel.chances) + len(panel.values)) * (size + 2 * gap) + gap
    left = min(max(left, 0), max(picture[0] - width, 0))
    y = bottom + gap
    if y + height > picture[1]:
        y = top - gap - height
    y = min(max(y, 0), max(picture[1] - height, 0))
    draw.rounded_rectangle((left, y, left + width, y + height), gap, fill=f"{DARK['page']}c8")
    bars = [(name, f"{chance:.0%}", 0.0, chance) for name, chance in panel.chances.items()]
    # Those of valence and arousal begin in the middle, which is 0.
    bars += [(name, signed(value), 0.5, (1 + value) / 2) for name, value in panel.values.items()]
    for name, text, start, end in bars:
        y += gap
        ends = sorted(left + gap + (width - 2 * gap) * min(max(share, 0), 1) for share in (start, end))
        draw.rounded_rectangle((ends[0], y, ends[1], y + size + gap), gap / 2, fill=f"{panel.colour}d0")
        middle = y + (size + gap) / 2
        draw.text((left + 2 * gap, middle), name, fill="white", font=font, anchor="lm")
        draw.text((left + width - 2 * gap, middle), text, fill="white", font=font, anchor="rm")
        y += size + gap
