from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from ferjax.explain import faithfulness
from ferjax.explain.faithfulness import area, deletion_curve, insertion_curve

blurred, ranks = jax.jit(faithfulness.blurred), jax.jit(faithfulness.ranks)
SIDE, STEPS = 6, 9
HEAT = hnp.arrays(np.float32, (1, 4, 5), elements=st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0]))


class Linear(nn.Module):
    """Every pixel adds to the first of two logits what its first channel holds times a weight."""

    @nn.compact
    def __call__(self, images, train=False):
        weights = self.param("weights", nn.initializers.normal(1.0), (SIDE, SIDE))
        first = (images[..., 0] * weights).sum((1, 2))
        return jnp.stack([first, jnp.zeros_like(first)], axis=1)


@pytest.fixture(scope="module")
def network():
    model = Linear()
    images = np.random.default_rng(1).normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)
    return model, jax.jit(model.init)(jax.random.key(0), images), images


@pytest.fixture(scope="module")
def compiled(network):
    model, variables, images = network
    return {
        name: jax.jit(partial(curve, model, variables, jnp.asarray(images), steps=STEPS))
        for name, curve in (("deletion", deletion_curve), ("insertion", insertion_curve))
    }


@given(HEAT)
@settings(deadline=None, max_examples=30)
def test_ranks_order_the_pixels_by_heat(heat):
    found = np.asarray(ranks(heat))
    assert sorted(found.ravel().tolist()) == list(range(20))
    assert (np.diff(heat.ravel()[np.argsort(found.ravel())]) <= 0).all()
    np.testing.assert_array_equal(ranks(3 * heat + 1), found)


def test_ranks_of_equal_pixels_do_not_follow_the_rows():
    found = np.asarray(ranks(jnp.zeros((2, 16, 16))))
    np.testing.assert_array_equal(found[0], found[1])
    assert abs(np.corrcoef(found[0].ravel(), np.arange(256))[0, 1]) < 0.2


def test_against_a_slow_computation(network, compiled):
    model, variables, images = network
    heat = np.random.default_rng(0).normal(size=(3, SIDE, SIDE)).astype(np.float32)
    classes = np.array([0, 1, 0], np.int32)
    foggy, pixels = np.asarray(blurred(images)), np.asarray(images)
    for name, before, after in (
        ("deletion", pixels, np.zeros_like(pixels)),
        ("insertion", foggy, pixels),
    ):
        found = np.asarray(compiled[name](classes, heat))
        assert found.shape == (3, STEPS + 1)
        shown = np.repeat(before[:, None], STEPS + 1, axis=1)
        for n in range(3):
            hottest = sorted(np.ndindex(SIDE, SIDE), key=lambda place, n=n: -heat[(n, *place)])
            for step in range(STEPS + 1):
                for place in hottest[: SIDE * SIDE * step // STEPS]:
                    shown[(n, step, *place)] = after[(n, *place)]
        logits = np.asarray(model.apply(variables, shown.reshape(-1, SIDE, SIDE, 3)), np.float64)
        said = special.softmax(logits, axis=1).reshape(3, STEPS + 1, 2)
        expected = np.stack([said[n, :, classes[n]] for n in range(3)])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_true_contributions_are_the_best_map(network, compiled):
    _, variables, images = network
    true = images[..., 0] * variables["params"]["weights"]
    classes = np.zeros(3, np.int32)
    random = np.random.default_rng(5).normal(size=true.shape)
    best, some, worst = (np.asarray(compiled["deletion"](classes, heat)) for heat in (true, random, -true))
    # Whatever the order, no map can take away more in as many pixels, or less.
    assert (best <= some + 1e-6).all()
    assert (some <= worst + 1e-6).all()
    np.testing.assert_allclose(best[:, [0, -1]], worst[:, [0, -1]], atol=1e-6)
    assert (area(best) < area(some)).all()


def test_area():
    np.testing.assert_allclose(area(np.array([[1.0, 1, 1], [1, 0.5, 0], [0, 0, 1]])), [1, 0.5, 0.25])


def test_the_blur_takes_details_and_keeps_light(network):
    images = np.random.default_rng(0).normal(size=(2, 32, 24, 3)).astype(np.float32)
    images[1] = 0.7
    found = np.asarray(blurred(images))
    assert found[0].std() < 0.15 * images[0].std()
    np.testing.assert_allclose(found[1], images[1], rtol=1e-5)
    np.testing.assert_allclose(found[:, :, ::-1], blurred(images[:, :, ::-1]), atol=1e-5)
