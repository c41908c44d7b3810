"""The parametric rectifier (He et al., 2015, section 2.1)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class PReLU(nn.Module):
    """Keeps what is above zero, and multiplies the rest of each channel, the last axis, by a learnt slope.

    Attributes:
        initial: of all slopes; PyTorch's.
    """

    initial: float = 0.25

    @nn.compact
    def __call__(self, x: Float[Array, "*axes C"]) -> Float[Array, "*axes C"]:
        """Rectifies."""
        init = nn.initializers.constant(self.initial)
        slope = self.param("slope", init, (x.shape[-1],), jnp.float32).astype(x.dtype)
        return jnp.where(x > 0, x, slope * x)
