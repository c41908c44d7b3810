"""Formats the scores of valence and arousal as text, Markdown and HTML."""

import math
from collections.abc import Mapping
from typing import Any

from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import number
from ferjax.scores.affect import DIMENSIONS, METRICS

_TITLES = {"ccc": "CCC", "rmse": "RMSE", "pearson": "Pearson", "sagr": "right sign"}
HEADING = "Valence and arousal"
EXPLAINED = (
    "Against the values of the data set, each over the test images whose value is known. CCC is the "
    "concordance correlation, RMSE the root of the mean squared error. In brackets 95% over test images."
)
COMPUTED = (
    "The toons' values are computed from what was drawn, and nobody has annotated them: these scores say "
    "nothing about people."
)


def affect_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    """Returns a row for valence and one for arousal.

    Args:
        scores: see `ferjax.scores.affect.measure`; null or NaN where a score is undefined.
    """
    return [
        [name, f"{scores[name]['examples']:,}", *(_score(scores[name], metric) for metric in METRICS)]
        for name in DIMENSIONS
    ]


def _score(scores: Mapping[str, Any], metric: str) -> str:
    value, ends = scores[metric], scores["intervals"][metric]
    if value is None or math.isnan(value):
        return number(None)
    interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    return f"{value:.3f}{interval}".replace("-", "−")


def head() -> list[str]:
    """Returns the titles of the columns."""
    return ["", "images", *(_TITLES[metric] for metric in METRICS)]


def is_computed(dataset: str) -> bool:
    """Tells whether a set's values are no people's, see `ferjax.data.toons.affect`."""
    return dataset.startswith("toons/")


def affect_markdown(scores: Mapping[str, Any], dataset: str) -> list[str]:
    """Formats the scores as paragraphs of Markdown, under a heading."""
    notes = [EXPLAINED, COMPUTED] if is_computed(dataset) else [EXPLAINED]
    return [f"## {HEADING}", " ".join(notes), markdown(head(), affect_rows(scores))]


def affect_html(scores: Mapping[str, Any], dataset: str) -> str:
    """Formats the scores as HTML: their explanation and a table."""
    notes = [EXPLAINED, COMPUTED] if is_computed(dataset) else [EXPLAINED]
    table = html_table(head(), affect_rows(scores))
    return f'<p class="muted">{" ".join(notes)}</p>\n<div class="panel scroll">{table}</div>'


def affect_text(scores: Mapping[str, Any], dataset: str) -> str:
    """Formats the scores for a terminal."""
    note = f"\n{COMPUTED}" if is_computed(dataset) else ""
    return f"{markdown(head(), affect_rows(scores))}{note}"
