"""Multi-head self-attention between the tokens of an image (Vaswani et al., 2017, section 3.2)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear


class SelfAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V for each head, of queries, keys and values that one linear layer gives.

    The softmax is float32, or float64 for such input. The weights, `[B, heads, T, T]`, each row of which sums
    to 1, are sown as `intermediates/weights` for explanations.

    Attributes:
        heads: number of heads; it divides the width C of the tokens.
        dtype: compute dtype, the input's if None; the parameters stay float32.
        kernel_init: of both linear layers; PyTorch's default if None.
        bias_init: likewise.
    """

    heads: int
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"]) -> Float[Array, "B T C"]:
        """Lets every token read all tokens."""
        batch, tokens, width = x.shape
        init = {"kernel_init": self.kernel_init, "bias_init": self.bias_init, "dtype": self.dtype}
        joined = Linear(3 * width, name="qkv", **init)(x)
        split = joined.reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = (split[:, :, part].transpose(0, 2, 1, 3) for part in range(3))
        scores = (query / math.sqrt(width // self.heads)) @ key.transpose(0, 1, 3, 2)
        weights = jax.nn.softmax(scores.astype(jnp.promote_types(scores.dtype, jnp.float32)))
        self.sow("intermediates", "weights", weights)
        read = (weights.astype(value.dtype) @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
        return Linear(width, name="proj", **init)(read)
