"""Draws the scores of all groups with their intervals in one picture."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ferjax.report.comparison_plots import score_dots

_MOST_DRAWN = 40  # groups


def group_dots(measurement: Mapping[str, Any]) -> Figure:
    """Draws a dot and its interval for each group and score; `ferjax.report.groups.drawable` must hold."""
    named = [
        (f"{name}: {row['name']}", row)
        for name, attribute in measurement["attributes"].items()
        for row in attribute["groups"]
        if not row["small"]
    ][:_MOST_DRAWN]
    return score_dots(
        [name for name, _ in named], [row for _, row in named], [row["intervals"] for _, row in named]
    )
