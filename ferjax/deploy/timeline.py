"""Plots the probabilities of the faces in a video over time."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ferjax.report.figures import legend_above, new_figure, quiet
from ferjax.report.palette import LIGHT, SERIES

_FACES = 6  # the ones with the most frames
_GONE = 1.0  # seconds between two frames from which a face counts as gone, if frames are not that rare
_DASHES = ("-", "--", ":")  # more classes than colours


class Track(NamedTuple):
    """One face of a video: `times` [T] in seconds, `probabilities` [T, K]."""

    times: list[float]
    probabilities: list[np.ndarray]


def draw(tracks: Mapping[int, Track], label_names: Sequence[str], title: str) -> Figure:
    """Draws the probability of each class over time, one panel a face.

    Args:
        tracks: face number → its track; at least one.
        label_names: the K classes.
        title: of the figure.
    """
    longest = sorted(tracks, key=lambda number: -len(tracks[number].times))[:_FACES]
    figure = new_figure(9.0, 0.6 + 2.3 * len(longest))
    panels = figure.subplots(len(longest), sharex=True, squeeze=False)[:, 0]
    for axes, number in zip(panels, sorted(longest), strict=True):
        times, chances = _broken(tracks[number])
        for index, name in enumerate(label_names):
            colour = LIGHT[SERIES[index % len(SERIES)]]
            dash = _DASHES[index // len(SERIES) % len(_DASHES)]
            marker = "o" if len(times) == 1 else None
            axes.plot(times, chances[:, index], dash, color=colour, linewidth=1.6, marker=marker, label=name)
        first = axes is panels[0]
        head = f"{title}: face {number}" if first else f"Face {number}"
        quiet(axes, head, "seconds" if axes is panels[-1] else "", lines=1 if first else 0)
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    legend_above(panels[0], columns=min(len(label_names), 8))
    return figure


def _broken(track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Returns times `[T]` and probabilities `[T, K]`, with a row of NaN wherever the face was gone."""
    times, chances = np.asarray(track.times, float), np.asarray(track.probabilities, float)
    steps = np.diff(times)
    gone = 1 + np.flatnonzero(steps > max(_GONE, 3 * np.median(steps))) if len(steps) else []
    return np.insert(times, gone, np.nan), np.insert(chances, gone, np.nan, axis=0)
