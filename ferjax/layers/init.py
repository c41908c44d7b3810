"""PyTorch's default initialisation, which the papers' released code relies on."""

import math

import jax
import jax.numpy as jnp
from flax.typing import Initializer


def uniform_fan_in(fan_in: int) -> Initializer:
    """U(−1/√fan_in, 1/√fan_in), PyTorch's default for weights and biases of linear and convolution layers.

    Args:
        fan_in: inputs that one output sums over: channels, times kernel height and width.

    Returns:
        An initializer `(key, shape, dtype) -> array`.
    """
    bound = 1.0 / math.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
