"""Depthwise convolution and pooling with "same" padding against XLA's own, forwards and backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ferjax.layers.depthwise import depthwise_conv2d
from ferjax.layers.separable import SeparableConv, max_pool_3x3_same, same_pads


def by_xla(x, kernel, stride):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=numbers, feature_group_count=x.shape[-1]
    )


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 2), (7, 1)])
@pytest.mark.parametrize("shape", [(2, 6, 7, 3), (1, 1, 2, 4)])
def test_depthwise_convolution_is_xla_s_grouped_one(shape, size, stride):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in (shape, (size, size, 1, shape[-1])))
    expected, back = jax.vjp(lambda x, kernel: by_xla(x, kernel, stride), x, kernel)
    pads = tuple(same_pads(x, size, stride)[1:3])
    result, own_back = jax.vjp(lambda x, kernel: depthwise_conv2d(x, kernel, stride, pads), x, kernel)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    for own, others in zip(own_back(expected), back(expected), strict=True):
        np.testing.assert_allclose(own, others, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 6, 7, 3), (1, 1, 2, 4)])
def test_max_pool_pads_as_tensorflow(shape):
    x = jnp.asarray(np.random.default_rng(1).normal(size=shape) - 5, jnp.float32)  # all below zero
    expected = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    np.testing.assert_array_equal(max_pool_3x3_same(x), expected)


def test_a_separable_convolution_has_a_bias_if_asked():
    x = jnp.ones((1, 4, 4, 3))
    for use_bias, arrays in ((False, 2), (True, 3)):
        layer = SeparableConv(5, stride=2, use_bias=use_bias)
        result, variables = layer.init_with_output(jax.random.key(0), x)
        assert result.shape == (1, 2, 2, 5)
        assert len(jax.tree.leaves(variables)) == arrays
