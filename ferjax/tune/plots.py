"""Draws a search: its history, its fields' importance, parallel coordinates, and what was pruned."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ferjax.report.figures import legend_above, new_figure, quiet, short
from ferjax.report.palette import LIGHT

Rows = Sequence[Mapping[str, Any]]
# Trials by their accuracy, for parallel coordinates: which part of them, its colour and name.
_PARTS = ((0.0, "line", "the others"), (0.5, "cell", "better half"), (0.9, "best", "best tenth"))
_MOST_TICKS = 6


def history(rows: Rows) -> Figure:
    """Draws the accuracy of every trial that ran to its end, and the best so far."""
    figure = new_figure(8.6, 3.2)
    axes = figure.add_subplot()
    whole = [row for row in rows if row["ended"] == "whole"]
    early = [row for row in rows if row["ended"] == "pruned" and row["validations"]]
    style = {"linestyle": "", "markersize": 4.5}
    if early:
        last = [row["validations"][-1] for row in early]
        axes.plot([row["number"] for row in early], last, marker="x", color=LIGHT["train"],
                  label="pruned, at its last validation", **style)  # fmt: skip
    numbers, values = [row["number"] for row in whole], [row["accuracy"] for row in whole]
    axes.plot(numbers, values, marker="o", color=LIGHT["accent"], label="ran to its end", **style)
    best = np.maximum.accumulate(values)
    axes.step(numbers, best, where="post", color=LIGHT["best"], linewidth=1.6, label="best so far")
    quiet(axes, "Accuracy on validation", "trial")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    legend_above(axes)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Draws each field's share as a bar, the largest above."""
    figure = new_figure(8.6, 0.9 + 0.36 * len(shares))
    axes = figure.add_subplot()
    names = list(shares)[::-1]
    bars = axes.barh(range(len(names)), [shares[name] for name in names], height=0.6, color=LIGHT["accent"])
    axes.bar_label(bars, [f"{100 * shares[name]:.0f}%" for name in names], padding=4, fontsize=9,
                   color=LIGHT["ink"])  # fmt: skip
    quiet(axes, "Importance", "share of what makes a trial good", grid="x", lines=0)
    axes.set_yticks(range(len(names)), short(names))
    axes.set_xlim(0, max(1e-9, *shares.values()) * 1.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def parallel(rows: Rows, space: Rows) -> Figure:
    """Draws every trial that ran to its end as a line over an axis for each field; the best stand out.

    A line is dotted across a field that its trial did not search.
    """
    # The winner is drawn last: of several with the best accuracy the first.
    whole = sorted(
        (row for row in rows if row["ended"] == "whole"), key=lambda row: (row["accuracy"], -row["number"])
    )
    figure = new_figure(max(6.0, 1.9 * (len(space) + 1)), 3.9)
    axes = figure.add_subplot()
    accuracies = [row["accuracy"] for row in whole]
    low, high = min(accuracies), max(accuracies)
    drawn = set()
    for place, row in enumerate(whole):
        rank = place / max(len(whole) - 1, 1)
        _, role, name = [part for part in _PARTS if rank >= part[0]][-1]
        heights = [_height(row["values"].get(axis["field"]), axis) for axis in space]
        heights.append((row["accuracy"] - low) / (high - low) if high > low else 0.5)
        label = None if name in drawn else name
        drawn.add(name)
        style = {"color": LIGHT[role], "linewidth": 1.8 if role == "best" else 1.1}
        axes.plot(range(len(heights)), heights, label=label, marker="o", markersize=3, **style)
        known = [place for place, height in enumerate(heights) if not math.isnan(height)]
        if len(known) < len(heights):  # across the gaps
            axes.plot(known, [heights[place] for place in known], linestyle=":", **style)
    titles = [*short([axis["field"] for axis in space]), "accuracy"]
    quiet(axes, "Parallel coordinates", "", grid="x")
    axes.set_xticks(range(len(titles)), [title.replace(".", ".\n", 1) for title in titles])
    axes.set_xlim(-0.35, len(titles) - 0.55)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    for place, axis in enumerate(space):
        _ticks(axes, place, _marks(axis))
    _ticks(axes, len(space), [(0.0, f"{100 * low:.1f}%"), (1.0, f"{100 * high:.1f}%")] if high > low
           else [(0.5, f"{100 * low:.1f}%")])  # fmt: skip
    legend_above(axes)
    return figure


def _height(value: Any, axis: Mapping[str, Any]) -> float:
    """Returns where a value lies on its axis, 0 to 1; NaN, a gap, where the field was not searched."""
    if value is None:
        return math.nan
    if axis["choices"]:
        return axis["choices"].index(value) / max(len(axis["choices"]) - 1, 1)
    scale = math.log if axis["log"] else float
    low, high = scale(axis["low"]), scale(axis["high"])
    return (scale(value) - low) / (high - low)


def _marks(axis: Mapping[str, Any]) -> list[tuple[float, str]]:
    if axis["choices"]:
        step = -(-len(axis["choices"]) // _MOST_TICKS)
        shown = axis["choices"][::step]
        return list(zip([_height(value, axis) for value in shown], short(list(map(str, shown))), strict=True))
    return [(0.0, f"{axis['low']:g}"), (1.0, f"{axis['high']:g}")]


def _ticks(axes: Axes, place: int, marks: list[tuple[float, str]]) -> None:
    for height, text in marks:
        style = {"fontsize": 8, "color": LIGHT["muted"], "va": "center", "parse_math": False}
        ground = {"facecolor": LIGHT["surface"], "edgecolor": "none", "pad": 1}  # lines do not cross the text
        axes.text(place + 0.05, height, text, bbox=ground, zorder=3, **style)


def curves(rows: Rows) -> Figure:
    """Draws the best accuracy so far after each validation of every trial, and where trials were pruned."""
    figure = new_figure(8.6, 3.4)
    axes = figure.add_subplot()
    drawn = set()
    for row in rows:
        values, pruned = row["validations"], row["ended"] == "pruned"
        if not values:
            continue
        name = "pruned" if pruned else "ran to its end"
        role, width = ("best", 1.2) if pruned else ("cell", 1.0)
        label = None if name in drawn else name
        drawn.add(name)
        validations = range(1, len(values) + 1)
        marker = "." if len(values) == 1 else None
        axes.plot(validations, values, color=LIGHT[role], linewidth=width, marker=marker, label=label)
        if pruned:
            axes.plot(len(values), values[-1], marker="x", markersize=5, color=LIGHT[role])
    quiet(axes, "Best accuracy so far", "validation")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    if drawn:
        legend_above(axes)
    return figure
