"""The perceptron of a transformer's block."""

import flax.linen as nn
import jax
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear


class Mlp(nn.Module):
    """Two linear layers with GELU between them; the first is wider.

    Attributes:
        ratio: how many times as wide.
        dtype: compute dtype.
        kernel_init: of both layers; PyTorch's default if None.
        bias_init: likewise.
    """

    ratio: int = 4
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*places C"]) -> Float[Array, "*places C"]:
        """Computes each place by itself."""
        init = {"kernel_init": self.kernel_init, "bias_init": self.bias_init, "dtype": self.dtype}
        hidden = Linear(self.ratio * x.shape[-1], name="fc1", **init)(x)
        return Linear(x.shape[-1], name="fc2", **init)(jax.nn.gelu(hidden, approximate=False))
