"""Draws a group of the leaderboard: its scores, and its score against each cost with the Pareto front."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, PercentFormatter

from ferjax.experiments.repeat import SCORES
from ferjax.leaderboard.columns import TITLES
from ferjax.leaderboard.entries import Entry
from ferjax.leaderboard.pareto import COSTS, front
from ferjax.report.comparison_plots import score_dots
from ferjax.report.figures import new_figure, quiet, short
from ferjax.report.palette import LIGHT

MOST_DOTS = 40  # entries of the picture of scores
# What the axis of a cost counts, so that its ticks are round: how much of the cost that is, and its unit.
_UNITS = {
    "seconds": (60, "minutes"),
    "memory": (2**30, "GiB"),
    "parameters": (1e6, "millions"),
    "operations": (1e9, "GFLOP"),
}


def scores(entries: Sequence[Entry]) -> Figure:
    """Draws a dot and its 95 % interval for each of the first entries and each score."""
    shown = entries[:MOST_DOTS]
    return score_dots(
        [entry.name for entry in shown],
        [{name: entry.scores[name].mean for name in SCORES} for entry in shown],
        [
            {name: (max(entry.scores[name].low, 0), min(entry.scores[name].high, 1)) for name in SCORES}
            for entry in shown
        ],
    )


def pareto(entries: Sequence[Entry], by: str) -> Figure | None:
    """Draws the score against each cost that two entries know; None where there is no such cost.

    Entries on the front are filled and joined, device by device where the cost depends on it.
    """
    known = [cost for cost in COSTS if sum(COSTS[cost].of(entry) is not None for entry in entries) > 1]
    if not known:
        return None
    columns = min(2, len(known))
    rows = -(-len(known) // columns)
    figure = new_figure(5.25 * columns, 3.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, cost in zip(panels, known, strict=False):
        _panel(axes, entries, by, cost)
    for axes in panels[len(known) :]:
        axes.axis("off")
    return figure


def _panel(axes: Axes, entries: Sequence[Entry], by: str, cost: str) -> None:
    of, per_device = COSTS[cost].of, COSTS[cost].depends_on_device
    scale, unit = _UNITS[cost]
    points = [(entry, value / scale) for entry in entries if (value := of(entry)) is not None]
    on = front([entry for entry, _ in points], by, cost)
    for device in sorted({entry.device for entry, _ in points}) if per_device else [None]:
        line = sorted(
            (value, entry.scores[by].mean)
            for entry, value in points
            if entry.name in on and device in (None, entry.device)
        )
        axes.step(*zip(*line, strict=True), where="post", color=LIGHT["accent"], linewidth=1.4, alpha=0.6)
    for entry, value in points:
        fill = LIGHT["accent"] if entry.name in on else LIGHT["surface"]
        style = {"color": LIGHT["accent"], "markerfacecolor": fill, "markersize": 6.5, "linestyle": "none"}
        axes.plot(value, entry.scores[by].mean, "o", **style)
        if entry.name in on:
            axes.annotate(
                short([entry.name])[0],
                (value, entry.scores[by].mean),
                (6, -4),
                textcoords="offset points",
                color=LIGHT["ink"],
                fontsize=8,
                parse_math=False,
                va="top",
            )
    values = [value for _, value in points]
    if min(values) > 0 and max(values) / min(values) > 3:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.minorticks_off()
    label = f"{COSTS[cost].name}, {unit}"
    quiet(axes, f"{TITLES[by].capitalize()} against {COSTS[cost].name}", label, lines=0)
    axes.margins(x=0.22, y=0.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
