"""Cross-attention between two feature maps with relative positions, over one window as large as the maps."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear


def relative_bias(table: Float[Array, "T h"], side: int) -> Float[Array, "h N N"]:
    """Spreads a table of biases by offset over all pairs of places of a square map.

    It is a product with matrices of zeros and ones: a gather's gradient would be a scatter, which is slow.

    Args:
        table: a bias for each head and each of the (2·side − 1)² offsets, rows first.
        side: of the map, N = side².

    References:
        Liu et al., Swin transformer, ICCV 2021, equation 4.
    """
    reach = 2 * side - 1
    place = np.arange(side)
    offsets = place[:, None] - place + side - 1
    chosen = jnp.asarray(np.eye(reach)[offsets], table.dtype)
    exact = lax.Precision.HIGHEST  # a TPU would round the biases to bfloat16
    by_offset = table.reshape(reach, reach, -1)
    spread = jnp.einsum("ikp,jlq,pqh->hijkl", chosen, chosen, by_offset, precision=exact)
    return spread.reshape(-1, side * side, side * side)


class WindowCrossAttention(nn.Module):
    """softmax(Q Kᵀ / √d + B) V for each head, with the queries of another map, as they are.

    Keys and values are one linear layer of `x`; B is a bias by head and relative position. The softmax is
    float32, or float64 for such input. Its weights, `[B, heads, N, N]`, are sown as `intermediates/weights`.

    Attributes:
        heads: number of heads; it divides the width C.
        dtype: compute dtype.

    References:
        Hatamizadeh et al., Global context vision transformers, ICML 2023, section 3.2.
    """

    heads: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B S S C"], queries: Float[Array, "B S S C"]
    ) -> Float[Array, "B S S C"]:
        """Lets every place of `queries` read all places of `x`; the maps are square."""
        batch, side, _, width = x.shape
        places, own = side * side, width // self.heads
        split = Linear(2 * width, dtype=self.dtype, name="qkv")(x).reshape(batch, places, 2, self.heads, own)
        key, value = (split[:, :, part].transpose(0, 2, 1, 3) for part in range(2))
        query = queries.reshape(batch, places, self.heads, own).transpose(0, 2, 1, 3)
        init = nn.initializers.normal(0.02)
        offsets = (2 * side - 1) ** 2
        table = self.param("relative_position_bias_table", init, (offsets, self.heads), jnp.float32)
        scores = (query / math.sqrt(own)) @ key.transpose(0, 1, 3, 2)
        wide = jnp.promote_types(scores.dtype, jnp.float32)
        weights = jax.nn.softmax(scores.astype(wide) + relative_bias(jnp.asarray(table, wide), side))
        self.sow("intermediates", "weights", weights)
        read = (weights.astype(value.dtype) @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        return Linear(width, dtype=self.dtype, name="proj")(read)
