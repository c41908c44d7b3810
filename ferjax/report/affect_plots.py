"""Draws valence and arousal: the plane with points on it, and predicted against actual values."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferjax.report.figures import legend_above, new_figure, quiet, set_column_space
from ferjax.report.palette import LIGHT, SERIES
from ferjax.scores.affect import DIMENSIONS

_MOST_POINTS = 2000  # more are one blot
_MOST_LEGEND = 8
# Where words stand in the plane, by the quarter (Russell, A circumplex model of affect, 1980).
_WORDS = {(0.7, 0.7): "excited", (-0.7, 0.7): "tense", (-0.7, -0.7): "gloomy", (0.7, -0.7): "calm"}


def plane(points: Sequence[np.ndarray], names: Sequence[str], title: str = "Valence and arousal") -> Figure:
    """Draws points, or the ways of points in time, into the plane of valence and arousal.

    Args:
        points: float `[n, 2]` each: valence, arousal; the n points of one are joined by a line, and the last
            one is marked. What lies beyond −1 … 1 is drawn at the border.
        names: of each.
        title: above the picture.
    """
    figure = new_figure(4.6, 4.9)
    axes = figure.add_subplot()
    for place, (own, name) in enumerate(zip(points, names, strict=True)):
        own, colour = np.clip(own, -1, 1), LIGHT[SERIES[place % len(SERIES)]]
        axes.plot(own[:, 0], own[:, 1], color=colour, linewidth=1.2, alpha=0.6, zorder=2)
        label = name if place < _MOST_LEGEND else "_nolegend_"
        axes.plot(own[-1:, 0], own[-1:, 1], "o", color=colour, markersize=8, label=label, zorder=3)
    quiet(axes, title, "valence", lines=1 + (min(len(points), _MOST_LEGEND) - 1) // 4)
    axes.set_ylabel("arousal", fontsize=9, color=LIGHT["muted"])
    _cross(axes)
    for (x, y), word in _WORDS.items():
        axes.text(x, y, word, ha="center", va="center", fontsize=9, color=LIGHT["muted"])
    legend_above(axes, columns=4)
    return figure


def against(found: np.ndarray, actual: np.ndarray) -> Figure:
    """Draws predicted against actual values, a panel each for valence and arousal.

    Args:
        found: float `[N, 2]`.
        actual: float `[N, 2]`, NaN where unknown. Of many examples evenly chosen ones are drawn.
    """
    figure = new_figure(7.6, 3.9)
    set_column_space(figure, 0.08)
    for column, name in enumerate(DIMENSIONS):
        axes = figure.add_subplot(1, 2, column + 1)
        known = np.flatnonzero(~np.isnan(actual[:, column]))
        shown = known[:: max(1, -(-len(known) // _MOST_POINTS))]
        style = {"color": LIGHT["train"], "markersize": 3, "alpha": 0.45, "linestyle": "none"}
        axes.plot(actual[shown, column], np.clip(found[shown, column], -1, 1), "o", **style)
        axes.plot([-1, 1], [-1, 1], color=LIGHT["best"], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        quiet(axes, name.capitalize(), "actual", lines=0)
        axes.set_ylabel("predicted", fontsize=9, color=LIGHT["muted"])
        _cross(axes)
    return figure


def _cross(axes: Axes) -> None:
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
    ticks = [-1, -0.5, 0, 0.5, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.axhline(0, color=LIGHT["line"], linewidth=1, zorder=0)
    axes.axvline(0, color=LIGHT["line"], linewidth=1, zorder=0)
