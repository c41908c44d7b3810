"""Layer scale: a learnt factor for each channel of a residual branch (Touvron et al., 2021)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class LayerScale(nn.Module):
    """Multiplies each channel, the last axis, by its own factor.

    Attributes:
        initial: of all factors; small, so that a block begins near its shortcut.
    """

    initial: float

    @nn.compact
    def __call__(self, x: Float[Array, "*axes C"]) -> Float[Array, "*axes C"]:
        """Scales."""
        init = nn.initializers.constant(self.initial)
        return x * self.param("gamma", init, (x.shape[-1],), jnp.float32).astype(x.dtype)
