"""Batch normalisation with PyTorch's conventions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import lax
from jaxtyping import Array, Float


def _normalised(
    x: Float[Array, "*axes C"],
    scale: Float[Array | np.ndarray, " C"],
    bias: Float[Array | np.ndarray, " C"],
    epsilon: float,
    dtype: Dtype,
) -> tuple[Float[Array, "*axes C"], Float[Array, " C"], Float[Array, " C"]]:
    """Normalises over all axes but the last; the gradient reads `x` and the result's gradient twice each.

    Args:
        x: of any shape `[…, C]`.
        scale: by which normalised values are multiplied.
        bias: what is then added.
        epsilon: added to the variance.
        dtype: of the result.

    Returns:
        The result, and the batch's mean and biased variance, float32 or wider. Nothing is differentiated
        through these two: they are for the running statistics.
    """
    wide = _wide(x)
    axes = tuple(range(x.ndim - 1))
    mean = wide.mean(axes)
    var = jnp.square(wide - mean).mean(axes)
    return affine(x, mean, var, scale, bias, epsilon, dtype), mean, var


normalised = jax.custom_vjp(_normalised, nondiff_argnums=(3, 4))


def affine(
    x: Float[Array, "*axes C"],
    mean: Float[Array | np.ndarray, " C"],
    var: Float[Array | np.ndarray, " C"],
    scale: Float[Array | np.ndarray, " C"],
    bias: Float[Array | np.ndarray, " C"],
    epsilon: float,
    dtype: Dtype,
) -> Float[Array, "*axes C"]:
    """Computes (x − mean) / √(var + ε) · scale + bias."""
    return ((_wide(x) - mean) * (scale * lax.rsqrt(var + epsilon)) + bias).astype(dtype)


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _forward(
    x: Array, scale: Array, bias: Array, epsilon: float, dtype: Dtype
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    y, mean, var = normalised(x, scale, bias, epsilon, dtype)
    return (y, mean, var), (x, scale, mean, lax.rsqrt(var + epsilon))


def _backward(
    epsilon: float, dtype: Dtype, kept: tuple[Array, ...], gradients: tuple[Array, ...]
) -> tuple[Array, Array, Array]:
    x, scale, mean, inverse = kept
    dy, centred = gradients[0], _wide(x) - mean
    if dy.dtype != centred.dtype:
        # A TPU's program would store the incoming gradient after it is widened: twice the bytes.
        dy = lax.optimization_barrier(dy)
    dy = _wide(dy)
    axes = tuple(range(x.ndim - 1))
    dbias = dy.sum(axes)
    dscale = (dy * centred).sum(axes) * inverse
    count = x.size // x.shape[-1]
    # Ioffe & Szegedy, section 3, put together.
    dx = scale * inverse * (dy - dbias / count - centred * (inverse * dscale / count))
    return dx.astype(x.dtype), dscale.astype(scale.dtype), dbias.astype(scale.dtype)


normalised.defvjp(_forward, _backward)


class BatchNorm(nn.Module):
    """Normalises over all axes but the last (Ioffe & Szegedy, 2015).

    As in PyTorch, the batch is normalised with its biased variance, the running variance is the unbiased one.
    Under jit with a sharded batch the statistics are those of the global batch.

    Attributes:
        momentum: share of the old running statistics that is kept, in [0, 1]; PyTorch's 0.1 is 0.9 here.
        epsilon: added to the variance.
        dtype: dtype of the result; the input's if None. Statistics are float32, or float64 for such input.
        scale_init: of the scale.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Dtype | None = None
    scale_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array | np.ndarray, "*axes C"], train: bool) -> Float[Array, "*axes C"]:
        """Normalises `x`; with `train`, updates the running statistics too."""
        x = jnp.asarray(x)
        channels, dtype = x.shape[-1], self.dtype or x.dtype
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)

        if train:
            y, mean, var = normalised(x, scale, bias, self.epsilon, dtype)
            if not self.is_initializing():
                count = x.size // channels
                unbiased = var * (count / max(count - 1, 1))
                keep = self.momentum
                running_mean.value = keep * running_mean.value + (1 - keep) * mean
                running_var.value = keep * running_var.value + (1 - keep) * unbiased
        else:
            y = affine(x, running_mean.value, running_var.value, scale, bias, self.epsilon, dtype)
        return y
