"""Layer normalisation (Ba, Kiros & Hinton, 2016)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


class LayerNorm(nn.Module):
    """Normalises each position over its channels, the last axis, with their biased variance.

    Mean and variance are float32, or float64 for such input; the result has the input's dtype.

    Attributes:
        epsilon: added to the variance.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: Float[Array | np.ndarray, "*axes C"]) -> Float[Array, "*axes C"]:
        """Normalises `x`, scales and shifts it."""
        x = jnp.asarray(x)
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],), jnp.float32)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = wide - wide.mean(-1, keepdims=True)
        inverse = lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + self.epsilon)
        return (centred * inverse * scale + bias).astype(x.dtype)
