import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.pooling import global_average_pool, max_pool_2x2


def torch_pool(x, dy=None):
    x = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    y = torch.nn.functional.max_pool2d(x, 2)
    if dy is None:
        return np.moveaxis(y.detach().numpy(), 1, -1)
    y.backward(torch.tensor(np.moveaxis(dy, -1, 1)))
    return np.moveaxis(x.grad.numpy(), 1, -1)


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (5, 4), (4, 5), (7, 3), (2, 9)])
def test_max_pooling_is_pytorchs(size):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, *size, 3)).astype(np.float32)
    found, back = jax.vjp(max_pool_2x2, jnp.asarray(x))
    np.testing.assert_array_equal(found, torch_pool(x))
    dy = generator.normal(size=found.shape).astype(np.float32)
    (dx,) = back(jnp.asarray(dy))
    np.testing.assert_array_equal(dx, torch_pool(x, dy))


# reshape + max divides each gradient by the number of maxima that it finds again in the window.
SHARES = pytest.mark.xfail(reason="the gradient is shared among equal maxima, and 0 / 0 where none is found")


@SHARES
def test_the_first_of_equal_maxima_gets_the_gradient_as_in_pytorch():
    x = np.random.default_rng(0).integers(0, 3, (2, 6, 6, 3)).astype(np.float32)
    found, back = jax.vjp(max_pool_2x2, jnp.asarray(x))
    dy = np.random.default_rng(1).normal(size=found.shape).astype(np.float32)
    np.testing.assert_array_equal(back(jnp.asarray(dy))[0], torch_pool(x, dy))


@SHARES
def test_the_gradient_is_finite_when_the_input_is_computed_twice():
    """A compiler may compute what is pooled once for the maximum and once, rounded otherwise, to find it."""
    scale = jax.random.normal(jax.random.key(1), (8,))

    def loss(x):
        return (max_pool_2x2(jnp.tanh(x * scale + 0.3) * scale + 1.234) ** 2).sum()

    x = jax.random.normal(jax.random.key(0), (8, 16, 16, 8))
    gradient = jax.jit(jax.grad(loss), compiler_options={"xla_backend_optimization_level": 0})(x)
    assert np.isfinite(gradient).all()


def test_the_mean_of_an_image():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(global_average_pool(jnp.asarray(x)), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
