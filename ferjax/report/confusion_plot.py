"""Draws confusion matrices, see `ferjax.report.figures`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ferjax.report.figures import new_figure, short
from ferjax.report.palette import LIGHT

MOST = 25  # columns that are drawn cell by cell
_CROWDED = 20  # columns that would be as wide as a matrix of more


def confusion(matrix: Sequence[Sequence[int]], label_names: Sequence[str], show: str = "both") -> Figure:
    """Draws a confusion matrix; the colour of a cell is always its share of the row.

    Args:
        matrix: integers `[K, K]`, rows actual, columns predicted.
        label_names: the K class names.
        show: "counts", "shares" (of the actual class, in percent), or "both".
    """
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = len(label_names) if len(label_names) <= MOST else _CROWDED
    figure = new_figure(1.0 + 0.58 * side, 0.9 + 0.56 * side)
    texts = {
        "counts": lambda row, column: (f"{counts[row, column]:,}", ""),
        "shares": lambda row, column: (f"{100 * shares[row, column]:.0f}%", ""),
        "both": lambda row, column: (f"{100 * shares[row, column]:.0f}%", f"{counts[row, column]:,}"),
    }[show]
    axes = figure.add_subplot()
    cells(axes, shares, texts, label_names, label_names)
    axes.set_xlabel("predicted", fontsize=9, color=LIGHT["muted"], labelpad=8)
    axes.set_ylabel("actual", fontsize=9, color=LIGHT["muted"], labelpad=8)
    return figure


def cells(
    axes: Axes,
    shares: np.ndarray,
    texts: Callable[[int, int], tuple[str, str]],
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> None:
    """Draws a grid of cells: the larger the share, the darker the cell.

    A grid of more than `MOST` columns, or of as many cells, is a picture without numbers: single cells would
    be hundreds of megabytes, and nobody could read them.

    Args:
        axes: the axes to draw into.
        shares: `[R, C]` in [0, 1].
        texts: the large and the small text of the cell in a row and a column; either may be empty.
        row_names: R names.
        column_names: C names.
    """
    crowded = shares.shape[1] > MOST or shares.size > MOST**2
    if crowded:
        _draw_picture(axes, shares)
    else:
        for (row, column), share in np.ndenumerate(shares):
            _draw_cell(axes, row, column, share, *texts(row, column))
    axes.set(xlim=(0, shares.shape[1]), ylim=(shares.shape[0], 0))
    row_names, column_names = short(row_names), short(column_names)
    style = {"parse_math": False, "color": LIGHT["ink"], "fontsize": 7 if crowded else 8.5}
    long = max(map(len, column_names)) > 9 or crowded
    slant = {"rotation": 40, "rotation_mode": "anchor", "ha": "right"} if long else {}
    columns, rows = shown_ticks(len(column_names)), shown_ticks(len(row_names))
    axes.set_xticks(columns + 0.5, [column_names[place] for place in columns], **style, **slant)
    axes.set_yticks(rows + 0.5, [row_names[place] for place in rows], **style)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def shown_ticks(count: int) -> np.ndarray:
    """Chooses the places that are named along an axis: all, or every so many where there is no room."""
    return np.arange(0, count, -(-count // MOST))


def _draw_picture(axes: Axes, shares: np.ndarray) -> None:
    colours = np.empty((*shares.shape, 4), np.uint8)
    colours[..., :3] = np.multiply(to_rgb(LIGHT["cell"]), 255)
    colours[..., 3] = 255 * (0.06 + 0.94 * shares)
    axes.imshow(
        colours, extent=(0, shares.shape[1], shares.shape[0], 0), interpolation="nearest", aspect="auto"
    )


def _draw_cell(axes: Axes, row: int, column: int, share: float, large: str, small: str) -> None:
    # Opacity, not a colour map: it mixes with the ground, white or dark, wherever the picture is shown.
    cell = Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, linewidth=0)
    cell.set(facecolor=LIGHT["cell"], alpha=0.06 + 0.94 * share)
    axes.add_patch(cell)
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": LIGHT["ink"]}
    axes.text(column + 0.5, row + (0.4 if small else 0.5), large, fontsize=10, fontweight="bold", **style)
    if small:
        axes.text(column + 0.5, row + 0.73, small, fontsize=8, **style)
