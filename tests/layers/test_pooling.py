from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.pooling import adaptive_average_pool, global_average_pool, max_pool_2x2, max_pool_3x3

# Ours, and the arguments of PyTorch's.
POOLS = [
    (max_pool_2x2, {"kernel_size": 2}),
    (max_pool_3x3, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (partial(max_pool_3x3, padding=0), {"kernel_size": 3, "stride": 2}),
]


@partial(jax.jit, static_argnums=0)
def with_gradient(pool, x, dy):
    """The pooled images and the gradient by the images; `dy` is cut to fit."""
    y, back = jax.vjp(pool, x)
    return y, back(dy[:, : y.shape[1], : y.shape[2]])[0]


def torch_pool(x, options, dy=None):
    x = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    y = torch.nn.functional.max_pool2d(x, **options)
    if dy is None:
        return np.moveaxis(y.detach().numpy(), 1, -1)
    y.backward(torch.tensor(np.moveaxis(dy, -1, 1))[..., : y.shape[2], : y.shape[3]])
    return np.moveaxis(x.grad.numpy(), 1, -1)


@pytest.mark.parametrize("size", [(3, 4), (5, 8), (6, 7)])
@pytest.mark.parametrize(("pool", "options"), POOLS)
def test_max_pooling_is_pytorchs(pool, options, size):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, *size, 3)).astype(np.float32)
    dy = generator.normal(size=x.shape).astype(np.float32)
    found, dx = with_gradient(pool, x, dy)
    np.testing.assert_array_equal(found, torch_pool(x, options))
    # One pixel may be the largest of four windows, whose gradients are added in another order.
    np.testing.assert_allclose(dx, torch_pool(x, options, dy), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("pool", "options"), POOLS)
def test_the_first_of_equal_maxima_gets_the_gradient_as_in_pytorch(pool, options):
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 6, 3)).astype(np.float32)
    dy = np.random.default_rng(1).integers(1, 9, x.shape).astype(np.float32)
    _, dx = with_gradient(pool, x, dy)
    np.testing.assert_array_equal(dx, torch_pool(x, options, dy))


def test_nan_stays_nan():
    x = np.ones((1, 4, 4, 1), np.float32)
    x[0, 1, 2, 0] = np.nan
    pooled = jax.jit(max_pool_2x2)(x)[0, :, :, 0]
    np.testing.assert_array_equal(np.isnan(pooled), [[False, True], [False, False]])


def test_the_gradient_is_finite_when_the_input_is_computed_twice():
    """A compiler may compute the input twice, with different rounding: for the maximum, and to find it."""
    scale = jax.random.normal(jax.random.key(1), (8,))

    def loss(x):
        return (max_pool_2x2(jnp.tanh(x * scale + 0.3) * scale + 1.234) ** 2).sum()

    x = jax.random.normal(jax.random.key(0), (8, 16, 16, 8))
    gradient = jax.jit(jax.grad(loss), compiler_options={"xla_backend_optimization_level": 0})(x)
    assert np.isfinite(gradient).all()


def test_the_mean_of_an_image():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(global_average_pool(jnp.asarray(x)), x.mean((1, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 2), (7, 14), (13, 5)])
def test_adaptive_average_pooling_is_pytorchs(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    with jax.enable_x64(True):
        dy = np.random.default_rng(1).normal(size=(2, 7, 7, 3))
        found, dx = with_gradient(partial(adaptive_average_pool, size=7), x, dy)
    theirs = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    expected = torch.nn.functional.adaptive_avg_pool2d(theirs, 7)
    expected.backward(torch.tensor(np.moveaxis(dy, -1, 1)))
    np.testing.assert_allclose(found, np.moveaxis(expected.detach().numpy(), 1, -1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, np.moveaxis(theirs.grad.numpy(), 1, -1), rtol=1e-12, atol=1e-12)
