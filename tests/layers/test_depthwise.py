"""Depthwise convolution against PyTorch's, forwards and backwards, and the parametric rectifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.depthwise import depthwise_conv2d
from ferjax.layers.prelu import PReLU


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((9, 10), (3, 3), 1, 1),
        ((9, 10), (5, 5), 1, 2),
        ((9, 10), (5, 5), 2, 2),
        ((8, 8), (9, 9), 2, 4),
        ((3, 2), (7, 7), 2, 3),  # most taps meet nothing but zeros
        ((7, 7), (7, 7), 1, 0),
        ((7, 7), (1, 7), 1, 0),
        ((12, 11), (12, 2), 1, 0),
    ],
)
def test_it_is_pytorchs_grouped_convolution(size, kernel, stride, padding):
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(2, *size, 3)), rng.normal(size=(*kernel, 1, 3))
    given, taps = (torch.tensor(values.transpose(axes)).requires_grad_() for values, axes in (
        (x, (0, 3, 1, 2)), (weights, (3, 2, 0, 1)),
    ))  # fmt: skip
    expected = torch.nn.functional.conv2d(given, taps, stride=stride, padding=padding, groups=3)
    slope = rng.normal(size=expected.permute(0, 2, 3, 1).shape)
    expected.backward(torch.tensor(slope.transpose(0, 3, 1, 2)))
    with jax.enable_x64(True):
        pads = ((padding, padding), (padding, padding))
        found, back = jax.vjp(
            lambda x, k: depthwise_conv2d(x, k, stride, pads), jnp.asarray(x), jnp.asarray(weights)
        )
        by_x, by_kernel = back(jnp.asarray(slope))
    np.testing.assert_allclose(found, expected.detach().permute(0, 2, 3, 1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_x, given.grad.permute(0, 2, 3, 1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_kernel, taps.grad.permute(2, 3, 1, 0), rtol=1e-10, atol=1e-12)


def test_the_rectifier_is_pytorchs_also_at_zero():
    theirs = torch.nn.PReLU(2)
    given = torch.tensor([[-2.0, 3.0], [0.0, -4.0]], requires_grad=True)
    theirs(given).sum().backward()
    variables = PReLU().init(jax.random.key(0), jnp.zeros((1, 2)))

    def total(x):
        return PReLU().apply(variables, x).sum()

    x = jnp.asarray(given.detach().numpy())
    np.testing.assert_allclose(PReLU().apply(variables, x), theirs(given).detach())
    np.testing.assert_array_equal(jax.grad(total)(x), given.grad)
