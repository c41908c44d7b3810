"""Batch normalisation that keeps PyTorch's conventions."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array, lax


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last (Ioffe & Szegedy, 2015).

    As PyTorch's: the batch is normalised with its biased variance, the running variance is the unbiased one.
    Under jit with a sharded batch the statistics are those of the global batch.

    Attributes:
        momentum: share of the old running statistics that is kept, in [0, 1]; PyTorch's 0.1 is 0.9 here.
        epsilon: added to the variance.
        dtype: dtype of the result; the input's if None. Statistics are float32, or float64 for such input.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Normalises `x`, any shape `[…, C]`; with `train`, updates the running statistics too."""
        channels = x.shape[-1]
        stats_dtype = jnp.promote_types(x.dtype, jnp.float32)
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)

        if train:
            axes = tuple(range(x.ndim - 1))
            wide = x.astype(stats_dtype)
            mean = wide.mean(axes)
            var = jnp.square(wide - mean).mean(axes)
            if not self.is_initializing():
                count = x.size // channels
                unbiased = var * (count / max(count - 1, 1))
                keep = self.momentum
                running_mean.value = keep * running_mean.value + (1 - keep) * mean
                running_var.value = keep * running_var.value + (1 - keep) * unbiased
        else:
            mean, var = running_mean.value, running_var.value

        multiplier = scale * lax.rsqrt(var + self.epsilon)
        y = (x.astype(stats_dtype) - mean) * multiplier + bias
        return y.astype(self.dtype or x.dtype)
