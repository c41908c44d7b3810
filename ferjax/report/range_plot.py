"""Draws a learning-rate range test."""

from matplotlib.figure import Figure

from ferjax.report.figures import legend_above, new_figure, quiet
from ferjax.report.palette import LIGHT
from ferjax.training.lr_find import RangeTest


def range_plot(test: RangeTest) -> Figure:
    """Draws the loss against the learning rate, as measured and smoothed, with the suggested rates."""
    figure = new_figure(5.6, 3.4)
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color=LIGHT["train"], linewidth=1, alpha=0.7, label="each step")
    axes.plot(test.rates, test.smoothed, color=LIGHT["accent"], linewidth=2, label="smoothed")
    for name, rate, role in (
        ("steepest", test.steepest, "series-3"),
        ("minimum / 10", test.tenth, "series-2"),
    ):
        if rate is not None:
            style = {"color": LIGHT[role], "linewidth": 1.2, "linestyle": (0, (4, 3))}
            axes.axvline(rate, label=f"{name}: {rate:.2g}", **style)
    axes.set_xscale("log")
    # A diverging loss would press everything else flat.
    low, high = min(test.losses), max(test.smoothed[0], test.smoothed[len(test.smoothed) // 2])
    axes.set_ylim(low - 0.1 * (high - low + 1e-9), high + 0.4 * (high - low + 1e-9))
    axes.set_ylabel("loss", fontsize=9, color=LIGHT["muted"])
    quiet(axes, "Learning-rate range test", "learning rate")
    axes.minorticks_off()
    legend_above(axes, columns=4)
    return figure
