"""The perceptron of a transformer's block."""

import flax.linen as nn
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear


class Mlp(nn.Module):
    """Two linear layers with an activation between them; the first is wider.

    Attributes:
        ratio: how many times as wide.
        activation: `gelu`, or `quick_gelu`: the x·σ(1.702 x) that CLIP was trained with.
        dtype: compute dtype.
        kernel_init: of both layers; PyTorch's default if None.
        bias_init: likewise.
    """

    ratio: int = 4
    activation: str = "gelu"
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*places C"]) -> Float[Array, "*places C"]:
        """Computes each place by itself."""
        init = {"kernel_init": self.kernel_init, "bias_init": self.bias_init, "dtype": self.dtype}
        hidden = Linear(self.ratio * x.shape[-1], name="fc1", **init)(x)
        if self.activation == "quick_gelu":
            hidden = hidden * nn.sigmoid(1.702 * hidden)
        else:
            hidden = nn.gelu(hidden, approximate=False)
        return Linear(x.shape[-1], name="fc2", **init)(hidden)
