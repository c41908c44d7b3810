"""Initial weights: PyTorch's default, which released code relies on, and He et al.'s."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer

# He et al. (2015) for ReLU: N(0, 2 / (kernel height · width · output channels)), as torchvision's networks.
HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def uniform_fan_in(fan_in: int) -> Initializer:
    """Makes an initializer of U(−1/√fan_in, 1/√fan_in), PyTorch's default of linear and convolution layers.

    Args:
        fan_in: inputs that one output sums over: channels, times kernel height and width.

    Returns:
        An initializer `(key, shape, dtype) -> array`.
    """
    bound = 1.0 / math.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
