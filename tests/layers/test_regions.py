"""Crops and attention against direct computations, region by region."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ferjax.layers.regions import REGIONS, RegionAttention, crop_regions


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_regions_are_pytorchs_resized_crops(height, width, seed):
    images = np.random.default_rng(seed).normal(size=(2, height, width, 3))
    with jax.enable_x64(True):
        regions = np.asarray(jax.jit(crop_regions)(images))
    assert regions.shape == (2, len(REGIONS), height, width, 3)
    np.testing.assert_array_equal(regions[:, 0], images)
    tall, wide = 3 * height // 4, 3 * width // 4
    tops = {"top": 0, "bottom": height - tall}
    lefts = {"left": 0, "middle": (width - wide) // 2, "right": width - wide}
    for number, name in enumerate(REGIONS[1:], start=1):
        vertical, horizontal = name.split()
        top, left = tops[vertical], lefts[horizontal]
        crop = torch.from_numpy(images[:, top : top + tall, left : left + wide]).permute(0, 3, 1, 2)
        resized = functional.interpolate(crop, size=(height, width), mode="bilinear", align_corners=False)
        np.testing.assert_allclose(regions[:, number], resized.permute(0, 2, 3, 1), rtol=1e-12, atol=1e-12)


def slow_attention(features, q0, q1, alpha):
    """The formulas of the proposal, one image and one region at a time: P, μ, ν and the region-bias loss."""
    results, self_weights, relation_weights, losses = [], [], [], []
    for image in features:
        mu = [sigmoid(region @ q0) for region in image]
        overall = sum(m * region for m, region in zip(mu, image, strict=True)) / sum(mu)
        nu = [sigmoid(np.concatenate([region, overall]) @ q1) for region in image]
        total = sum(m * n for m, n in zip(mu, nu, strict=True))
        results.append(
            sum(m * n * np.concatenate([region, overall]) for m, n, region in zip(mu, nu, image, strict=True))
            / total
        )
        losses.append(max(0.0, alpha - (max(mu[1:]) - mu[0])))
        self_weights.append(mu)
        relation_weights.append(nu)
    return map(np.array, (results, self_weights, relation_weights, losses))


@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.3])
def test_attention_is_that_of_the_formulas(alpha):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(64, 7, 5))
    q0, q1 = rng.normal(size=5), rng.normal(size=10)
    results, mu, nu, losses = slow_attention(features, q0, q1, alpha)
    params = {"q0": {"kernel": q0[:, None]}, "q1": {"kernel": q1[:, None]}}
    with jax.enable_x64(True):
        apply = partial(RegionAttention(alpha).apply, mutable=["losses", "intermediates"])
        found, updates = jax.jit(apply)({"params": params}, features)
    np.testing.assert_allclose(found, results, rtol=1e-12)
    np.testing.assert_allclose(updates["losses"]["region_bias"], losses, rtol=1e-12, atol=1e-15)
    assert losses.min() == 0
    assert losses.max() > 0
    for name, expected in (
        ("self_attention", mu),
        ("relation_attention", nu),
        ("weights", mu * nu / (mu * nu).sum(1, keepdims=True)),
    ):
        (values,) = updates["intermediates"][name]
        np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_weights_that_underflow_are_still_normalised():
    features = jnp.array([[[-300.0], [-200.0], [-201.0]]])
    queries = {"q0": {"kernel": np.float32([[1.0]])}, "q1": {"kernel": np.float32([[1.0], [0.0]])}}

    def result(features):
        return RegionAttention().apply({"params": queries}, features)

    ratio = np.exp(-1.0)  # of μ, and of ν, of the third region to the second's
    overall = -(200 + 201 * ratio) / (1 + ratio)
    own = -(200 + 201 * ratio**2) / (1 + ratio**2)
    np.testing.assert_allclose(result(features), [[own, overall]], rtol=1e-6)
    gradient = jax.grad(lambda features: result(features).sum())(features)
    assert np.isfinite(gradient).all()


def test_attention_has_two_queries_without_bias():
    variables = jax.eval_shape(RegionAttention().init, jax.random.key(0), jnp.zeros((1, 7, 6)))
    assert jax.tree.map(jnp.shape, variables["params"]) == {
        "q0": {"kernel": (6, 1)},
        "q1": {"kernel": (12, 1)},
    }


def test_losses_are_kept_only_where_they_are_collected():
    layer, features = RegionAttention(), jax.random.normal(jax.random.key(0), (3, 7, 6))
    variables = {"params": jax.jit(layer.init)(jax.random.key(1), features)["params"]}
    _, updates = jax.jit(partial(layer.apply, mutable=["batch_stats"]))(variables, features)
    assert updates == {}
    half_layer = RegionAttention(dtype=jnp.bfloat16)
    half, updates = jax.jit(partial(half_layer.apply, mutable=["losses"]))(variables, features)
    assert half.dtype == jnp.bfloat16
    assert updates["losses"]["region_bias"].dtype == jnp.float32
    assert updates["losses"]["region_bias"].shape == (3,)
