"""SmoothGrad: the mean gradient of many noisy copies of an image."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ferjax.errors import UserError
from ferjax.explain.saliency import input_gradient, largest_channel


def smoothgrad(
    model: nn.Module,
    variables: Any,
    images: Array,
    classes: Array,
    *,
    samples: int = 16,
    noise: float = 0.15,
    seed: int = 0,
) -> Array:
    """Saliency of the gradient's mean over copies with Gaussian noise.

    Copy s of every image gets the same noise, `draw(seed, s)`, times its own strength: what an image is told
    does not depend on the others.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, whose logit is explained.
        samples: copies, at least 1; the authors see little change beyond 50.
        noise: standard deviation, as a share of an image's largest minus smallest value; the authors take
            0.1 to 0.2.
        seed: of the noise.

    Returns:
        float32 `[B, H, W]`, at least 0.

    Raises:
        UserError: no samples, or a negative noise.

    References:
        Smilkov et al., SmoothGrad: removing noise by adding noise, 2017, section 3.1.
    """
    if samples < 1 or noise < 0:
        raise UserError(f"smoothgrad takes samples ≥ 1 and noise ≥ 0, not {samples} and {noise}")
    axes = (1, 2, 3)
    strength = noise * (images.max(axes, keepdims=True) - images.min(axes, keepdims=True))

    def add(total: Array, sample: Array) -> tuple[Array, None]:
        noisy = images + strength * draw(seed, sample, images.shape[1:]).astype(images.dtype)
        return total + input_gradient(model, variables, noisy, classes), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(images), jnp.arange(samples))
    return largest_channel(total / samples)


def draw(seed: int, sample: int | Array, shape: tuple[int, ...]) -> Array:
    """The noise of one copy, standard normal."""
    return jax.random.normal(jax.random.fold_in(jax.random.key(seed), sample), shape)
