"""Stochastic depth: leaves a residual branch out, for whole examples (Huang et al., 2016)."""

import flax.linen as nn
import numpy as np
from jaxtyping import Array, Float


class DropPath(nn.Module):
    """Multiplies each example's branch by 0 or by 1 / (1 − rate); in evaluation it changes nothing.

    The random numbers are those of the collection `dropout`.

    Attributes:
        rate: probability of 0, in [0, 1).
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*axes"], train: bool) -> Float[Array, "*axes"]:
        """Keeps or leaves out."""
        axes = tuple(range(1, x.ndim))
        return nn.Dropout(self.rate, broadcast_dims=axes, name="drop")(x, deterministic=not train)


def rising_rates(last: float, depth: int) -> list[float]:
    """Returns the rates of `depth` blocks, along a line from 0 to `last`; Huang et al., equation 4."""
    return np.linspace(0, last, depth).tolist()
