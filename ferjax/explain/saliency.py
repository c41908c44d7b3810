"""Saliency: the gradient of a class's logit at each pixel."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.explain.layers import class_scores, logits_of


def input_gradient(
    model: nn.Module, variables: Any, images: Float[Array, "B H W C"], classes: Int[Array, " B"]
) -> Float[Array, "B H W C"]:
    """Computes ∂logit/∂pixel of each image's class, in the dtype of `images`."""

    def score(images: Array) -> Array:
        return class_scores(logits_of(model, variables, images), classes).sum()

    return jax.grad(score)(images)


def saliency(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"], classes: Int[Array, " B"]
) -> Float[Array, "B H W"]:
    """Computes the largest |∂logit/∂pixel| of the three channels.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose logit is explained.

    Returns:
        float32 `[B, H, W]`, at least 0, in logits per standard deviation of ImageNet's pixels.

    References:
        Simonyan, Vedaldi & Zisserman, Deep inside convolutional networks, 2014, section 3.1.
    """
    return largest_channel(input_gradient(model, variables, images, classes))


def largest_channel(gradients: Float[Array, "B H W C"]) -> Float[Array, "B H W"]:
    """Takes the largest absolute value over the channels, float32."""
    return jnp.abs(gradients).max(axis=-1).astype(jnp.float32)
