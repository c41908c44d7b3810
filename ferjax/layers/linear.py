"""A fully connected layer, by default with PyTorch's initialisation."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.init import uniform_fan_in


class Linear(nn.Module):
    """y = x W + b.

    Attributes:
        features: number of outputs.
        use_bias: whether b is there.
        dtype: compute dtype, the input's if None; the parameters stay float32.
        kernel_init: of W; U(±1/√inputs) if None.
        bias_init: of b; likewise.
    """

    features: int
    use_bias: bool = True
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "*batch inputs"]
    ) -> Float[Array, "*batch {self.features}"]:
        """Multiplies with W and adds b."""
        init = uniform_fan_in(x.shape[-1])
        dtype = self.dtype or x.dtype
        kernel = self.param("kernel", self.kernel_init or init, (x.shape[-1], self.features), jnp.float32)
        y = jnp.asarray(x).astype(dtype) @ kernel.astype(dtype)
        if self.use_bias:
            y = y + self.param("bias", self.bias_init or init, (self.features,), jnp.float32).astype(dtype)
        return y
