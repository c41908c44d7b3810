"""Initial weights: PyTorch's default, which released code relies on, He et al.'s, and Glorot and Bengio's."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Key

# He et al. (2015) for ReLU: N(0, 2 / (kernel height · width · output channels)), as torchvision's networks.
HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")

# Glorot & Bengio (2010), also named after Xavier: U(±√(6 / (inputs + outputs))).
XAVIER = nn.initializers.xavier_uniform()


def flat_xavier(key: Key[Array, ""], shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> Array:
    """Initialises a convolution of patches as the linear layer that it is, as the authors of MAE do."""
    return XAVIER(key, (math.prod(shape[:-1]), shape[-1]), dtype).reshape(shape)


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
