import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ferjax import models
from ferjax.explain.saliency import saliency
from ferjax.explain.sanity import call_order, cascade, rank_correlation

MAPS = hnp.arrays(np.float32, (3, 4), elements=st.sampled_from([-1.0, 0.0, 0.25, 0.25, 1.0, 7.0]))
HW = (16, 16)


@given(MAPS, MAPS)
@settings(deadline=None)
def test_against_scipy(first, second):
    (found,) = rank_correlation(first[None], second[None])
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert np.isnan(found)
        return
    expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert found == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(rank_correlation(np.exp(first)[None], second[None]), found, atol=1e-9)
    np.testing.assert_allclose(rank_correlation(first[None], -second[None]), -found, atol=1e-9)


def test_call_order():
    order = (
        "conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "se", "res_block1", "res_block2", "res_block3",
        "fc1", "fc2", "fc3", "fc4",
    )  # fmt: skip
    sorted_by_name = dict.fromkeys(sorted((*order, "unused")))
    assert call_order(models.create("resemotenet"), sorted_by_name, (64, 64)) == order


@pytest.fixture(scope="module")
def network():
    model = tiny.TinyNet()
    variables = jax.jit(model.init)(jax.random.key(9), jnp.zeros((1, *HW, 3)))
    trained = jax.tree.map(lambda leaf: np.asarray(leaf) + 0.3, variables)
    return model, {"params": trained["params"], "batch_stats": trained["batch_stats"]}


def test_cascade_draws_from_the_logits_down(network):
    model, variables = network
    stages = list(cascade(model, variables, HW, seed=1))
    order = call_order(model, variables["params"], HW)
    assert order == ("conv1", "bn1", "conv2", "fc")
    assert [name for name, _ in stages] == list(reversed(order))
    fresh = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, *HW, 3)))
    for count, (_, damaged) in enumerate(stages, start=1):
        assert damaged.keys() == {"params", "batch_stats"}
        for kind, groups in damaged.items():
            assert groups.keys() == variables[kind].keys()
            for name, group in groups.items():
                expected = (fresh if name in order[-count:] else variables)[kind][name]
                jax.tree.map(np.testing.assert_array_equal, group, expected)


def test_a_gradient_changes_with_the_weights(network):
    model, variables = network
    images = jax.random.normal(jax.random.key(3), (4, *HW, 3))
    classes = jnp.arange(4)
    explain = jax.jit(lambda variables: saliency(model, variables, images, classes))
    before = np.asarray(explain(variables))
    found = [
        rank_correlation(before, np.asarray(explain(damaged))).mean()
        for _, damaged in cascade(model, variables, HW)
    ]
    assert rank_correlation(before, before) == pytest.approx(np.ones(4))
    assert abs(found[-1]) < 0.5
