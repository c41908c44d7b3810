"""Risk–coverage curves beside their definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferjax.scores import selective


@given(seed=st.integers(0, 10_000), count=st.integers(1, 30))
def test_the_risk_is_the_share_of_errors_among_the_surest(seed, count):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    logs = np.log(rng.dirichlet(np.ones(3), count))
    risk = selective.risk_by_coverage(labels, logs)
    order = np.argsort(-logs.max(-1))
    for n in range(1, count + 1):
        kept = order[:n]
        assert np.isclose(risk[n - 1], (logs[kept].argmax(-1) != labels[kept]).mean())
    assert 0 <= selective.area(risk) <= 1


def test_equal_probabilities_count_together_whatever_their_order():
    logs = np.log(np.array([[0.6, 0.4]] * 4))
    for labels in ([0, 0, 1, 1], [1, 1, 0, 0]):
        np.testing.assert_allclose(selective.risk_by_coverage(np.array(labels), logs), 0.5)


def test_knowing_when_one_is_wrong_lowers_the_area():
    labels = np.array([0, 0, 0, 1])
    sure = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]))
    unsure = sure[::-1].copy()
    areas = [selective.area(selective.risk_by_coverage(labels, logs)) for logs in (sure, unsure)]
    assert areas[0] == 1 / 16
    assert areas[1] > areas[0]
