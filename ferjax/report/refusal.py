"""The report's part on answers that may be refused: the risk–coverage curve, and sets of classes."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ferjax.report.figures import legend_above, new_figure, quiet
from ferjax.report.palette import LIGHT
from ferjax.report.wording import number, percent
from ferjax.runs.predictions import Predictions
from ferjax.scores import selective

_POINTS = 400  # of the drawn curve; more are not seen


def risk_coverage(test: Predictions) -> Figure:
    """Draws the share of wrong answers against the share that is answered, the surest first.

    Args:
        test: predictions of the test split.
    """
    risk = selective.risk_by_coverage(test.labels, test.log_probabilities)
    answered = np.arange(1, len(risk) + 1) / len(risk)
    # What a network would have that is sure of all its right answers before any wrong one.
    best = np.maximum(0, 1 - (1 - risk[-1]) / answered)
    shown = np.unique(np.linspace(0, len(risk) - 1, _POINTS).astype(int))
    figure = new_figure(5.4, 3.4)
    axes = figure.add_subplot()
    axes.plot(answered[shown], risk[shown], color=LIGHT["train"], linewidth=2, label="this network")
    style = {"linewidth": 1, "linestyle": (0, (4, 3))}
    axes.plot(answered[shown], best[shown], color=LIGHT["muted"], label="if it knew its errors", **style)
    axes.axhline(risk[-1], color=LIGHT["best"], label="refusing at random", **style)
    quiet(axes, f"Risk and coverage: area {selective.area(risk):.4f}", "share of images that is answered")
    axes.set_ylabel("share of answers that is wrong", fontsize=9, color=LIGHT["muted"])
    axes.set(xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_above(axes, columns=3)
    return figure


def sets_table(sets: dict) -> str:
    """Formats `ferjax.scores.conformal.measure_sets` as a table of HTML with its explanation."""
    asked = percent(sets["coverage"], 0)
    low, high = (percent(end, 1) for end in sets["expected"])
    kinds = {"overall": "one threshold", "by_class": "a threshold for each class"}
    rows = "\n".join(
        f'<tr><th scope="row">{words}</th><td>{percent(sets[kind]["covered"], 1)}</td>'
        f"<td>{percent(sets[kind]['lowest_class'], 1)}</td><td>{number(sets[kind]['mean_size'], 2)}</td>"
        f"<td>{percent(sets[kind]['single'], 1)}</td><td>{percent(sets[kind]['empty'], 1)}</td></tr>"
        for kind, words in kinds.items()
    )
    return f"""<h3>Sets of classes</h3>
<p class="muted">Instead of one class the network may name a set of classes that shall hold the
actual one {asked} of the time. Which probabilities are enough was found on validation (conformal prediction).
On test images like those the share that holds it is between {low} and {high} in 95% of cases.</p>
<div class="panel scroll"><table class="plain"><thead><tr><th></th><th>holds the class</th>
<th>in the worst class</th><th>classes in a set</th><th>sets of one class</th><th>empty sets</th></tr></thead>
<tbody>{rows}</tbody></table></div>"""
