"""Scores of valence and arousal against SciPy and plain formulas."""

import numpy as np
import pytest
from scipy import stats

from ferjax.errors import UserError
from ferjax.scores import affect


@pytest.fixture
def values():
    """Correlated predictions and actual values, float64 `[300, 2]` each."""
    rng = np.random.default_rng(3)
    actual = rng.uniform(-1, 1, (300, 2))
    return 0.6 * actual + rng.normal(0.1, 0.3, actual.shape), actual


def test_the_scores_are_those_of_the_formulas(values):
    x, y = (column[:, 0] for column in values)
    apart = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    assert affect.ccc(x, y) == pytest.approx(2 * np.cov(x, y, bias=True)[0, 1] / apart)
    assert affect.rmse(x, y) == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    assert affect.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert affect.sagr(x, y) == pytest.approx(np.mean(np.sign(x) == np.sign(y)))


def test_known_values():
    zero, line = np.zeros(3), np.array([-1.0, 0.0, 1.0])
    assert affect.ccc(line, line) == pytest.approx(1)
    assert affect.ccc(-line, line) == pytest.approx(-1)
    assert affect.ccc(zero, line) == 0  # a constant is no better than chance
    assert affect.sagr(zero, line) == pytest.approx(1 / 3)  # 0 has a sign of its own
    assert np.isnan(affect.pearson(zero, line))
    assert np.isnan(affect.ccc(zero, zero))
    # 0.1 is no binary fraction: rounding must not make up a variance.
    assert np.isnan(affect.pearson(np.full(7, 0.1), np.arange(7) / 7))
    assert np.isnan(affect.ccc(zero[:0], zero[:0]))


def test_unknown_values_are_not_scored(values):
    predicted, actual = values
    actual[:40, 0] = np.nan
    measured = affect.measure(predicted, actual)
    assert [measured[name]["examples"] for name in affect.DIMENSIONS] == [260, 300]
    assert measured["valence"]["ccc"] == affect.ccc(predicted[40:, 0], actual[40:, 0])
    assert measured["mean_ccc"] == affect.mean_ccc(predicted, actual)
    with pytest.raises(UserError, match="no example"):
        affect.measure(predicted, np.full_like(actual, np.nan))
    only_valence = affect.measure(predicted, actual * [1, np.nan])
    assert only_valence["arousal"]["examples"] == 0
    assert only_valence["arousal"]["intervals"]["ccc"] is None
    assert np.isnan(only_valence["mean_ccc"])


def test_intervals_cover_the_truth_as_often_as_they_say(monkeypatch):
    """Simulated: the true CCC of y = x + noise is known."""
    monkeypatch.setattr(affect, "MATRIX_RESAMPLES", 200)
    rng = np.random.default_rng(0)
    truth = 2 * 0.25 / (0.25 + 0.25 + 0.09)  # var x = 0.25, var of the noise = 0.09
    covered = 0
    for _ in range(40):
        x = rng.normal(0, 0.5, (200, 1))
        y = x + rng.normal(0, 0.3, x.shape)
        low, high = affect.measure(np.hstack([y, y]), np.hstack([x, x]))["valence"]["intervals"]["ccc"]
        assert low < high
        covered += low <= truth <= high
    assert 34 <= covered <= 40  # of 40 at 95 %


def test_each_resample_is_scored_as_the_whole_is(values, monkeypatch):
    """The counts of drawn examples give what scoring the drawn examples gives."""
    predicted, actual = values
    monkeypatch.setattr(affect, "MATRIX_RESAMPLES", 50)
    found = affect.measure(predicted, actual)["arousal"]["intervals"]
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(actual), len(actual)) for _ in range(50)]
    for name, score in (("ccc", affect.ccc), ("rmse", affect.rmse), ("sagr", affect.sagr)):
        values = [score(predicted[draw, 1], actual[draw, 1]) for draw in draws]
        assert found[name] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())
