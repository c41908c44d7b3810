"""Sharpness-aware minimisation: the published update, and a training step against one written out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from tiny_steps import PLAIN, batch, built

from ferjax.augment import normalise
from ferjax.training.paths import from_paths
from ferjax.training.sam import ascended
from ferjax.training.stages import Rules, split

RHO = 0.3
SAM = {**PLAIN, "optimizer__sam_rho": RHO, "optimizer__momentum": 0.0}


def test_on_a_quadratic_it_is_the_published_update():
    generator = np.random.default_rng(0)
    root, w = generator.normal(size=(5, 5)), generator.normal(size=5)
    matrix, rate = root @ root.T, 0.02
    tree = {"a": jnp.asarray(w[:2], jnp.float32), "b": {"c": jnp.asarray(w[2:], jnp.float32)}}

    def loss(tree):
        whole = jnp.concatenate([tree["a"], tree["b"]["c"]])
        return 0.5 * whole @ jnp.asarray(matrix, jnp.float32) @ whole

    for _ in range(20):
        # Foret et al., algorithm 1: ε = ρ g / ‖g‖, then the gradient at w + ε.
        slope = matrix @ w
        w = w - rate * matrix @ (w + RHO * slope / np.sqrt((slope**2).sum()))
        gradient = jax.grad(loss)(ascended(tree, jax.grad(loss)(tree), RHO))
        tree = jax.tree.map(lambda x, g: x - rate * g, tree, gradient)
    found = np.concatenate([tree["a"], tree["b"]["c"]])
    np.testing.assert_allclose(found, w, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("slope", [0.0, 1e-25], ids=["zero", "too small to square"])
def test_where_the_gradient_is_zero_nothing_moves(slope):
    tree = {"w": jnp.arange(3.0)}
    tiny.assert_near(ascended(tree, {"w": jnp.full(3, slope)}, RHO), tree, rtol=0)


def by_hand(model, first, rows, frozen=frozenset()):
    """Parameters after one step of SGD, and the statistics of both passes."""

    def loss(params):
        variables = {"params": params, "batch_stats": first.batch_stats}
        logits, new = model.apply(variables, normalise(rows["image"]), train=True, mutable=["batch_stats"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, rows["label"])
        return losses.mean(), new["batch_stats"]

    slope = jax.jit(jax.grad(loss, has_aux=True))
    trained = split(first.params, frozen)[0]

    def moved(step):
        return from_paths({**split(first.params, frozenset())[0], **step})

    gradient, one = slope(first.params)
    gradient = {path: np.asarray(g, np.float64) for path, g in split(gradient, frozen)[0].items()}
    norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
    above = {path: np.asarray(w + RHO * gradient[path] / norm, np.float32) for path, w in trained.items()}
    gradient, two = slope(moved(above))
    gradient = split(gradient, frozen)[0]
    return moved({path: w - 0.1 * gradient[path] for path, w in trained.items()}), one, two


@pytest.mark.parametrize("statistics", ["first", "second"])
def test_a_step_is_the_gradient_further_up_at_the_old_weights(statistics):
    model, first, step = built(**SAM, optimizer__sam_statistics=statistics)
    after, sums = step(first, batch())
    params, one, two = by_hand(model, first, batch())
    tiny.assert_near(after.params, params, rtol=1e-4, atol=1e-6)
    tiny.assert_near(after.batch_stats, one if statistics == "first" else two, rtol=1e-5, atol=1e-6)
    assert np.abs(np.asarray(one["bn1"]["mean"]) - two["bn1"]["mean"]).max() > 1e-4
    _, plain, plain_step = built(**PLAIN)
    _, plain_sums = plain_step(plain, batch())
    assert float(sums["loss"]) == pytest.approx(float(plain_sums["loss"]), rel=1e-6)  # that of the weights


@pytest.mark.slow
def test_frozen_weights_are_no_part_of_it():
    frozen = frozenset({"conv1/kernel", "conv1/bias"})
    model, first, step = built(**SAM, rules=Rules(frozen=frozen))
    after, _ = step(first, batch())
    params, *_ = by_hand(model, first, batch(), frozen)
    tiny.assert_near(after.params, params, rtol=1e-4, atol=1e-6)
    tiny.assert_near(after.params["conv1"], first.params["conv1"], rtol=0)


@pytest.mark.slow
def test_in_parts_it_goes_up_by_the_whole_batch():
    found = []
    for parts in (1, 4):
        _, current, step = built(norm=False, train__accumulate_steps=parts, **SAM)
        for start in range(3):
            current, _ = step(current, batch(start=start))
        found.append(current.params)
    tiny.assert_near(*found, rtol=1e-4, atol=1e-6)
