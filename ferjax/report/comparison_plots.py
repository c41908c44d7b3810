"""Draws several runs in one picture: scores with intervals, recall of each class, validation curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ferjax.report.confusion_plot import MOST, cells
from ferjax.report.figures import legend_above, new_figure, quiet, set_column_space, short
from ferjax.report.palette import LIGHT, SERIES
from ferjax.report.run import Run, series

_TITLES = {"accuracy": "Accuracy", "mean_class_accuracy": "Mean class accuracy", "macro_f1": "Macro F1"}
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # to tell runs apart when the colours repeat

_LEGEND_COLUMNS = 4


def score_dots(
    names: Sequence[str],
    scores: Sequence[Mapping[str, float]],
    intervals: Sequence[Mapping[str, Sequence[float]]],
) -> Figure:
    """Draws a dot and its 95 % interval for each run and score.

    Args:
        names: the runs' names, from the top.
        scores: for each run accuracy, mean_class_accuracy and macro_f1.
        intervals: for each run the two ends, by the same names.
    """
    figure = new_figure(10.5, 1.5 + 0.34 * len(names))
    set_column_space(figure, 0.06)
    places = np.arange(len(names))[::-1]
    first = None
    for position, (score, title) in enumerate(_TITLES.items(), start=1):
        axes = figure.add_subplot(1, len(_TITLES), position, sharey=first)
        first = first or axes
        ends = np.array([ends[score] for ends in intervals])
        axes.hlines(places, ends[:, 0], ends[:, 1], color=LIGHT["accent"], linewidth=2, alpha=0.55)
        axes.plot([values[score] for values in scores], places, "o", color=LIGHT["accent"], markersize=6)
        quiet(axes, title, "", grid="x", lines=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))  # 1.5% where the axis is short
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
        axes.set_ylim(-0.7, len(names) - 0.3)
        axes.set_yticks(places, short(names), parse_math=False, color=LIGHT["ink"], fontsize=9)
        if position > 1:
            axes.tick_params(labelleft=False)
    return figure


def recall_grid(names: Sequence[str], recalls: np.ndarray, label_names: Sequence[str]) -> Figure:
    """Draws the share of each class that each run has right.

    Args:
        names: the names of the R runs.
        recalls: `[R, K]` in [0, 1].
        label_names: the K class names.
    """
    longest = max(map(len, short(names)))
    figure = new_figure(0.8 + 0.075 * longest + 0.72 * min(len(label_names), MOST), 0.7 + 0.42 * len(names))
    axes = figure.add_subplot()
    cells(axes, recalls, lambda row, column: (f"{100 * recalls[row, column]:.0f}%", ""), names, label_names)
    return figure


def overlaid(names: Sequence[str], runs: Sequence[Run]) -> Figure:
    """Draws the validation accuracy of every run against its steps."""
    figure = new_figure(10.5, 3.3 + 0.2 * (len(runs) // _LEGEND_COLUMNS))
    axes = figure.add_subplot()
    for position, (name, run) in enumerate(zip(names, runs, strict=True)):
        steps, values = series(run.rows, "validation", "accuracy")
        if steps:
            style = {
                "color": LIGHT[SERIES[position % len(SERIES)]],
                "linestyle": _DASHES[position // len(SERIES) % len(_DASHES)],
            }
            marker = "o" if len(steps) < 40 else None
            axes.plot(
                steps, values, linewidth=1.8, marker=marker, markersize=3.5, label=short([name])[0], **style
            )
    quiet(axes, "Validation accuracy", "step", lines=-(-len(runs) // _LEGEND_COLUMNS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if axes.get_legend_handles_labels()[0]:
        legend_above(axes, columns=_LEGEND_COLUMNS)
    return figure
