"""Draws bars of each class's scores, and the reliability of the probabilities."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ferjax.report.confusion_plot import shown_ticks
from ferjax.report.figures import legend_above, new_figure, quiet, set_column_space, short
from ferjax.report.palette import LIGHT
from ferjax.scores.calibration import Reliability

_MOST = 20  # classes that make the picture wider
_SCORES = {"precision": "series-1", "recall": "series-3", "f1": "train"}


def class_bars(per_class: Sequence[dict]) -> Figure:
    """Draws precision, recall and F1 of each class as bars.

    Args:
        per_class: rows of name, precision, recall and f1 (in [0, 1]).
    """
    figure = new_figure(1.6 + 0.85 * min(len(per_class), _MOST), 3.2)
    axes = figure.add_subplot()
    places = np.arange(len(per_class))
    for offset, (name, role) in zip((-0.26, 0, 0.26), _SCORES.items(), strict=True):
        heights = [row[name] for row in per_class]
        axes.bar(places + offset, heights, 0.24, color=LIGHT[role], label=name.replace("f1", "F1"))
    quiet(axes, "Scores of each class", "")
    style = {"parse_math": False, "color": LIGHT["ink"], "fontsize": 9}
    names, named = short([row["name"] for row in per_class]), shown_ticks(len(per_class))
    slant = {"rotation": 40, "rotation_mode": "anchor", "ha": "right"} if len(names) > _MOST else {}
    axes.set_xticks(named, [names[place] for place in named], **style, **slant)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_above(axes)
    return figure


def reliability(before: Reliability, after: Reliability | None, temperature: float | None) -> Figure:
    """Draws accuracy against probability in bins, with the examples of each bin below.

    Args:
        before: reliability of the network's own probabilities.
        after: reliability with a temperature, if one was fitted.
        temperature: that temperature.
    """
    panels = [("As the network gives them", before)]
    if after is not None:
        panels.append((f"With temperature {temperature:.2f}", after))
    figure = new_figure(3.9 * len(panels), 4.3)
    set_column_space(figure, 0.08)
    grid = figure.add_gridspec(2, len(panels), height_ratios=(3, 1))
    for column, (title, bins) in enumerate(panels):
        _draw_reliability(figure.add_subplot(grid[0, column]), title, bins)
        _draw_counts(figure.add_subplot(grid[1, column]), bins)
    return figure


def _draw_reliability(axes: Axes, title: str, bins: Reliability) -> None:
    edges, width = _edges(bins)
    filled = bins.count > 0
    style = {"width": 0.92 * width, "align": "edge"}
    gaps = bins.accuracy - bins.confidence
    axes.bar(edges[filled], bins.accuracy[filled], color=LIGHT["cell"], label="share right", **style)
    axes.bar(
        edges[filled],
        -gaps[filled],
        bottom=bins.accuracy[filled],
        color="none",
        edgecolor=LIGHT["best"],
        linewidth=1,
        label="gap to the probability",
        **style,
    )
    axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, linestyle=(0, (4, 3)))
    quiet(axes, f"{title}: error {100 * bins.error:.1f}%", "")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_above(axes, columns=2)


def _draw_counts(axes: Axes, bins: Reliability) -> None:
    edges, width = _edges(bins)
    axes.bar(edges, bins.count / bins.count.sum(), 0.92 * width, align="edge", color=LIGHT["train"])
    quiet(axes, "", "probability of the predicted class")
    axes.set(xlim=(0, 1))
    axes.set_ylabel("images", fontsize=9, color=LIGHT["muted"])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _edges(bins: Reliability) -> tuple[np.ndarray, float]:
    width = 1 / len(bins.count)
    return np.arange(len(bins.count)) * width, width
