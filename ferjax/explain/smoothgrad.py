"""SmoothGrad: averages the gradient over noisy copies of an image."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError
from ferjax.explain.saliency import input_gradient, largest_channel


def smoothgrad(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    samples: int = 16,
    noise: float = 0.15,
    seed: int = 0,
) -> Float[Array, "B H W"]:
    """Computes the saliency of the mean gradient over copies with Gaussian noise.

    Copy s of every image gets the same noise, `draw(seed, s)`, scaled to the image's range: an image's map
    does not depend on the rest of the batch.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose logit is explained.
        samples: number of copies, at least 1; the paper reports little change beyond 50.
        noise: standard deviation, as a share of an image's largest minus smallest value; the paper uses 0.1
            to 0.2.
        seed: the seed of the noise.

    Returns:
        float32 `[B, H, W]`, at least 0.

    Raises:
        UserError: `samples` is below 1, or `noise` is negative.

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


def draw(seed: int, sample: int | Int[Array, ""], shape: tuple[int, ...]) -> Float[Array, "H W C"]:
    """Draws the noise of one copy, standard normal."""
    return jax.random.normal(jax.random.fold_in(jax.random.key(seed), sample), shape)
