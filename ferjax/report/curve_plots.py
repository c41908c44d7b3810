"""Draws the curves of a run, see `ferjax.report.figures`."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ferjax.report.figures import legend_above, new_figure, quiet, set_column_space
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
