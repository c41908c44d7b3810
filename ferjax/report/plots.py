"""Draws curves and the confusion matrix, see `ferjax.report.figures`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ferjax.report.figures import legend_above, new_figure, quiet, set_column_space, short
from ferjax.report.palette import LIGHT
from ferjax.report.run import series

_TITLES = {"loss": "Loss", "accuracy": "Accuracy", "learning_rate": "Learning rate"}
_MOST_POINTS = 200  # a longer line is drawn as the means and ranges of this many pieces
_ROUND_STEPS = (1, 2, 5, 10)  # ticks at multiples that are easy to read


def curve_names(rows: Sequence[dict]) -> list[str]:
    """Returns which of loss, accuracy and learning_rate the rows hold, in that order."""
    return [n for n in _TITLES if series(rows, "train", n)[0] or series(rows, "validation", n)[0]]


def curve(rows: Sequence[dict], name: str, best_step: int | None) -> Figure:
    """Draws one metric against the step, training and validation, with the best step marked.

    Args:
        rows: rows of `metrics.jsonl`; null values are gaps.
        name: "loss", "accuracy" or "learning_rate".
        best_step: the step to mark; None for no mark.
    """
    figure = new_figure(4.3, 3.0)
    _draw_curve(figure.add_subplot(), rows, name, best_step)
    return figure


def curves(rows: Sequence[dict], best_step: int | None) -> Figure:
    """Draws every curve that the rows hold, side by side (see `curve`)."""
    names = curve_names(rows)
    figure = new_figure(4.3 * max(1, len(names)), 3.0)
    set_column_space(figure, 0.08)
    for position, name in enumerate(names, start=1):
        _draw_curve(figure.add_subplot(1, len(names), position), rows, name, best_step)
    return figure


def confusion(matrix: Sequence[Sequence[int]], label_names: Sequence[str], show: str = "both") -> Figure:
    """Draws a confusion matrix; the colour of a cell is always its share of the row.

    Args:
        matrix: integers `[K, K]`, rows actual, columns predicted.
        label_names: the K class names.
        show: "counts", "shares" (of the actual class, in percent), or "both".
    """
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(label_names)
    figure = new_figure(1.0 + 0.58 * classes, 0.9 + 0.56 * classes)
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

    Args:
        axes: the axes to draw into.
        shares: `[R, C]` in [0, 1].
        texts: the large and the small text of the cell in a row and a column; either may be empty.
        row_names: R names.
        column_names: C names.
    """
    for (row, column), share in np.ndenumerate(shares):
        _draw_cell(axes, row, column, share, *texts(row, column))
    axes.set(xlim=(0, shares.shape[1]), ylim=(shares.shape[0], 0))
    row_names, column_names = short(row_names), short(column_names)
    style = {"parse_math": False, "color": LIGHT["ink"], "fontsize": 8.5}
    long = max(map(len, column_names)) > 9
    slant = {"rotation": 40, "rotation_mode": "anchor", "ha": "right"} if long else {}
    axes.set_xticks(np.arange(len(column_names)) + 0.5, column_names, **style, **slant)
    axes.set_yticks(np.arange(len(row_names)) + 0.5, row_names, **style)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_curve(axes: Axes, rows: Sequence[dict], name: str, best_step: int | None) -> None:
    for split, colour, width in (("train", "train", 1.4), ("validation", "accent", 2)):
        steps, values = series(rows, split, name)
        if steps:
            _draw_line(axes, steps, values, label=split, color=LIGHT[colour], linewidth=width)
    if best_step is not None:
        axes.axvline(best_step, color=LIGHT["best"], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        steps, values = series(rows, "validation", name)
        if best_step in steps:
            style = {"color": LIGHT["best"], "markersize": 6, "label": f"best step, {best_step:,}"}
            axes.plot([best_step], [values[steps.index(best_step)]], "o", **style)
    quiet(axes, _TITLES[name], "step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=_ROUND_STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_ROUND_STEPS))
    if name == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if name == "learning_rate":
        axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0] and name != "learning_rate":
        legend_above(axes)


def _draw_line(axes: Axes, steps: list[int], values: list[float], **style) -> None:
    if len(steps) <= _MOST_POINTS:
        axes.plot(steps, values, marker="o" if len(steps) < 40 else None, markersize=3.5, **style)
        return
    pieces = [np.ma.masked_invalid(piece) for piece in np.array_split(values, _MOST_POINTS)]
    middles = [piece.mean() for piece in np.array_split(steps, _MOST_POINTS)]
    low, mean, high = (
        np.ma.stack([getattr(piece, what)() for piece in pieces]).filled(np.nan)
        for what in ("min", "mean", "max")
    )
    axes.fill_between(middles, low, high, color=style["color"], alpha=0.25, linewidth=0)
    axes.plot(middles, mean, **style)


def _draw_cell(axes: Axes, row: int, column: int, share: float, large: str, small: str) -> None:
    # Opacity, not a colour map: it mixes with the ground, white or dark, wherever the picture is shown.
    cell = Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, linewidth=0)
    cell.set(facecolor=LIGHT["cell"], alpha=0.06 + 0.94 * share)
    axes.add_patch(cell)
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": LIGHT["ink"]}
    axes.text(column + 0.5, row + (0.4 if small else 0.5), large, fontsize=10, fontweight="bold", **style)
    if small:
        axes.text(column + 0.5, row + 0.73, small, fontsize=8, **style)
