"""A transposed convolution that doubles height and width."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.init import uniform_fan_in

SIDE = 2


class DoublingConv(nn.Module):
    """A 2×2 transposed convolution with stride 2 and bias: each place becomes four, by one matrix product.

    Attributes:
        features: output channels.
        dtype: compute dtype, the input's if None; the parameters stay float32.
    """

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B 2*H 2*W {self.features}"]:
        """Convolves."""
        batch, height, width, channels = x.shape
        dtype = self.dtype or x.dtype
        # PyTorch counts the inputs of the convolution that this one is the transpose of.
        init = uniform_fan_in(self.features * SIDE * SIDE)
        kernel = self.param("kernel", init, (SIDE, SIDE, channels, self.features), jnp.float32)
        bias = self.param("bias", init, (self.features,), jnp.float32)
        four = kernel.astype(dtype).transpose(2, 0, 1, 3).reshape(channels, -1)
        y = (x.astype(dtype) @ four).reshape(batch, height, width, SIDE, SIDE, self.features)
        y = y.transpose(0, 1, 3, 2, 4, 5).reshape(batch, SIDE * height, SIDE * width, self.features)
        return y + bias.astype(dtype)
