"""Separable convolution and max pooling with TensorFlow's "same" padding."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.conv import Conv
from ferjax.layers.depthwise import DepthwiseConv, same_padding
from ferjax.layers.pooling import max_pool_3x3

KERNEL = 3


def same_pads(x: Float[Array, "B H W C"], kernel: int, stride: int) -> list[tuple[int, int]]:
    """Computes `same_padding` of all four axes; batch and channels get none."""
    return [(0, 0), *(same_padding(size, kernel, stride) for size in x.shape[1:3]), (0, 0)]


def pad_same(x: Float[Array, "B H W C"], kernel: int, stride: int) -> Float[Array, "B H2 W2 C"]:
    """Puts the zeros of `same_padding` around images, for a convolution without padding."""
    return jnp.pad(x, same_pads(x, kernel, stride))


class SeparableConv(nn.Module):
    """Convolves each channel with 3×3, "same" padding, and then mixes the channels with 1×1.

    Attributes:
        features: output channels.
        stride: step of the 3×3 window on both axes.
        use_bias: whether a bias is added in the end.
        dtype: compute dtype; the input's if None. The parameters stay float32.
    """

    features: int
    stride: int = 1
    use_bias: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array | np.ndarray, "B H W C"]) -> Float[Array, "B H2 W2 {self.features}"]:
        """Convolves."""
        x = DepthwiseConv(KERNEL, self.stride, "same", dtype=self.dtype, name="depthwise")(x)
        return Conv(self.features, 1, use_bias=self.use_bias, dtype=self.dtype, name="pointwise")(x)


def max_pool_3x3_same(x: Float[Array, "B H W C"]) -> Float[Array, "B (H+1)//2 (W+1)//2 C"]:
    """Takes the largest of each 3×3 window, stride 2, "same" padding."""
    pads = [(before, after, 0) for before, after in same_pads(x, KERNEL, stride=2)]
    return max_pool_3x3(lax.pad(x, jnp.array(-jnp.inf, x.dtype), pads), 0)
