"""Layer normalisation, attention, layer scale and positions against PyTorch; stochastic depth by counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.attention import SelfAttention
from ferjax.layers.drop_path import DropPath, rising_rates
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.layer_scale import LayerScale
from ferjax.layers.positions import resampled


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_layer_normalisation_is_pytorchs():
    x, scale, bias = drawn(2, 5, 8), drawn(8, seed=1), drawn(8, seed=2)
    given, *weights = map(torch.tensor, (x, scale, bias))
    expected = torch.nn.functional.layer_norm(given, (8,), *weights, 1e-3)
    with jax.enable_x64(True):
        found = LayerNorm(1e-3).apply({"params": {"scale": scale, "bias": bias}}, x)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    half = LayerNorm().apply({"params": {"scale": jnp.ones(8), "bias": jnp.zeros(8)}}, jnp.bfloat16(x))
    assert half.dtype == jnp.bfloat16


def test_attention_is_pytorchs_and_its_weights_can_be_read():
    x = drawn(2, 5, 8)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    state = {name: value.detach().numpy() for name, value in theirs.named_parameters()}
    params = {
        "qkv": {"kernel": state["in_proj_weight"].T, "bias": state["in_proj_bias"]},
        "proj": {"kernel": state["out_proj.weight"].T, "bias": state["out_proj.bias"]},
    }
    given = torch.tensor(x)
    expected, weights = theirs(given, given, given, average_attn_weights=False)
    with jax.enable_x64(True):
        found, sown = SelfAttention(2).apply({"params": params}, jnp.asarray(x), mutable=["intermediates"])
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(sown["intermediates"]["weights"][0], weights.detach(), rtol=1e-11)


def test_stochastic_depth_leaves_out_whole_examples_and_keeps_the_mean():
    x = jnp.ones((4000, 2, 3))
    kept = DropPath(0.25).apply({}, x, True, rngs={"dropout": jax.random.key(0)})
    examples = np.asarray(kept).reshape(4000, -1)
    assert (examples == examples[:, :1]).all()
    assert set(np.unique(examples)) == {0, np.float32(4 / 3)}
    assert abs((examples[:, 0] > 0).mean() - 0.75) < 0.03
    np.testing.assert_array_equal(DropPath(0.25).apply({}, x, False), x)


def test_rates_rise_along_a_line():
    assert rising_rates(0.2, 3) == [0, 0.1, 0.2]
    assert rising_rates(0.2, 1) == [0]


def test_layer_scale_has_a_factor_for_each_channel():
    x = jnp.ones((2, 3))
    scaled, variables = LayerScale(0.5).init_with_output(jax.random.key(0), x)
    np.testing.assert_array_equal(scaled, 0.5 * x)
    assert variables["params"]["gamma"].shape == (3,)


@pytest.mark.parametrize(("old", "new"), [(14, 6), (3, 7), (1, 2), (4, 4)])
def test_positions_are_resampled_as_pytorch_does(old, new):
    positions = drawn(1, 1 + old * old, 5)
    grid = torch.tensor(positions[:, 1:]).reshape(1, old, old, 5).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    found = resampled(positions, 1 + new * new)
    np.testing.assert_array_equal(found[:, 0], positions[:, 0])
    np.testing.assert_allclose(
        found[:, 1:], expected.permute(0, 2, 3, 1).reshape(1, -1, 5), rtol=1e-9, atol=1e-12
    )


def test_positions_that_are_no_grid_are_refused():
    with pytest.raises(ValueError, match="9 and 10 are not both 1 more than a square"):
        resampled(drawn(1, 9, 2), 10)
