"""Draws images a second against the number of devices, as `ferjax.cost_model.aot` estimates them."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ferjax.cost_model.aot import Analysis
from ferjax.report.figures import legend_above, new_figure, quiet
from ferjax.report.palette import LIGHT


def scaling(analyses: Sequence[Analysis]) -> Figure:
    """Draws the speed by the schedule and at best beside perfect scaling, and the memory of a device.

    Args:
        analyses: the same config on more and more devices.
    """
    figure = new_figure(8.6, 3.2)
    speed, memory = figure.subplots(1, 2)
    devices = [one.devices for one in analyses]
    slow = [one.batch_size / one.step for one in analyses]
    fast = [one.batch_size / one.estimate.hidden for one in analyses]
    speed.fill_between(devices, slow, fast, color=LIGHT["accent-soft"], label="up to all exchanges hidden")
    speed.plot(devices, slow, color=LIGHT["accent"], marker="o", markersize=4, label="by schedule")
    perfect = [slow[0] * count / devices[0] for count in devices]
    speed.plot(devices, perfect, color=LIGHT["muted"], linestyle="--", linewidth=1, label="perfect")
    quiet(speed, "Images a second, at best", "devices")
    speed.set_xscale("log", base=2)
    speed.set_yscale("log")
    legend_above(speed)
    memory.bar(
        [str(count) for count in devices],
        [one.memory / 1e9 for one in analyses],
        color=LIGHT["accent"],
        width=0.6,
    )
    quiet(memory, "Memory of a device, GB", "devices")
    whole = FuncFormatter(lambda value, _: f"{value:,.0f}")
    speed.xaxis.set_major_formatter(whole)
    speed.yaxis.set_major_formatter(whole)
    return figure
