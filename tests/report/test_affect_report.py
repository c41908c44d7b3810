"""Valence and arousal in the page of a run, in its Markdown, and in the terminal."""

import numpy as np
import pytest
from conftest import said

from ferjax.report import affect_plots, page
from ferjax.report.affect_tables import COMPUTED, affect_text
from ferjax.runs import predictions
from ferjax.scores import affect


@pytest.fixture
def values():
    """Predicted and actual values of 400 examples, some unknown: float32 `[400, 2]`."""
    rng = np.random.default_rng(0)
    actual = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    found = 0.8 * actual + rng.normal(0, 0.2, actual.shape).astype(np.float32)
    actual[::10, 0] = np.nan
    return found, actual


def test_the_page_shows_them(make_run, values):
    measured = affect.measure(*values)
    workdir = make_run(affect=measured)
    predictions.save(workdir, said()._replace(affect=values[0], actual_affect=values[1]))
    text = page.write_page(workdir).read_text()
    assert "<h2>Valence and arousal</h2>" in text
    assert f"{measured['valence']['ccc']:.3f} (" in text
    assert 'aria-label="Predicted against actual values"' in text
    assert COMPUTED not in text  # fer2013 in this fixture
    notes = (workdir / "report" / "report.md").read_text()
    assert "## Valence and arousal" in notes
    assert "](affect.png)" in notes
    assert (workdir / "report" / "affect.svg").exists()


def test_a_run_without_them_says_nothing(finished_page):
    assert "alence" not in finished_page.read_text()


def test_the_terminal_shows_them_and_that_the_toons_are_computed(values):
    found, actual = values
    measured = affect.measure(found, np.where([True, False], actual, np.nan).astype(np.float32))
    text = affect_text(measured, "toons/avataaars")
    assert text.endswith(COMPUTED)
    assert "| valence |    360 |" in text
    line = next(line for line in text.splitlines() if line.startswith("| arousal"))
    assert line.count("–") == 4  # none is known
    assert COMPUTED not in affect_text(measured, "affectnet8")


def test_the_plane_holds_every_point():
    far = np.array([[3.0, 0.2], [0.1, -0.4]])
    figure = affect_plots.plane([far, far[:1] * 0.1], ["face 1", "face 2"], "$a^b")
    (axes,) = figure.axes
    ends = [line.get_xydata()[-1].tolist() for line in axes.lines if line.get_marker() == "o"]
    assert ends == [[0.1, -0.4], pytest.approx([0.3, 0.02])]
    assert max(line.get_xdata().max() for line in axes.lines[:4]) == 1  # drawn at the border
    assert axes.get_title(loc="left") == "$a^b"
