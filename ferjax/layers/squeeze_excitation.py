"""Squeeze-and-excitation channel attention (Hu et al., 2018; Roy et al., 2024, equations 2 to 6)."""

from collections.abc import Callable

import flax.linen as nn
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear
from ferjax.layers.pooling import global_average_pool


class SqueezeExcitation(nn.Module):
    """Weighs channels: z = mean of each; s = σ(W2 · ReLU(W1 · z)); the result's channel c is s_c · u_c.

    The weights s are sown as `intermediates/weights` for explanations.

    Attributes:
        reduction: ratio r of channels to hidden units.
        hidden: hidden units, where they do not follow the channels; 0: by `reduction`.
        use_bias: whether both layers have a bias.
        activation: of the hidden units.
        kernel_init: of both layers; PyTorch's default if None.
        dtype: compute dtype.
    """

    reduction: int = 16
    hidden: int = 0
    use_bias: bool = False
    activation: Callable[[Array], Array] = nn.relu
    kernel_init: Initializer | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, u: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        """Scales the channels by weights in (0, 1)."""
        channels = u.shape[-1]
        z = global_average_pool(u)
        init = {"kernel_init": self.kernel_init, "use_bias": self.use_bias, "dtype": self.dtype}
        z = self.activation(Linear(self.hidden or channels // self.reduction, name="fc1", **init)(z))
        s = nn.sigmoid(Linear(channels, name="fc2", **init)(z))
        self.sow("intermediates", "weights", s)
        return u * s[:, None, None, :]
