"""Squeeze-and-excitation channel attention (Hu et al., 2018; Roy et al., 2024, equations 2 to 6)."""

import flax.linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear
from ferjax.layers.pooling import global_average_pool


class SqueezeExcitation(nn.Module):
    """Weighs channels: z = mean of each; s = σ(W2 · ReLU(W1 · z)); the result's channel c is s_c · u_c.

    The weights s are sown as `intermediates/weights` for explanations.

    Attributes:
        reduction: ratio r of channels to hidden units.
        dtype: compute dtype.
    """

    reduction: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, u: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        """Scales the channels by weights in (0, 1)."""
        channels = u.shape[-1]
        z = global_average_pool(u)
        z = nn.relu(Linear(channels // self.reduction, use_bias=False, dtype=self.dtype, name="fc1")(z))
        s = nn.sigmoid(Linear(channels, use_bias=False, dtype=self.dtype, name="fc2")(z))
        self.sow("intermediates", "weights", s)
        return u * s[:, None, None, :]
