"""Saliency: how much the logit of a class changes with each pixel."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ferjax.explain.layers import class_scores


def input_gradient(model: nn.Module, variables: Any, images: Array, classes: Array) -> Array:
    """∂logit/∂pixel of each image's class: the shape and dtype of `images`."""

    def score(images: Array) -> Array:
        return class_scores(model.apply(variables, images), classes).sum()

    return jax.grad(score)(images)


def saliency(model: nn.Module, variables: Any, images: Array, classes: Array) -> Array:
    """The largest |∂logit/∂pixel| of the three channels.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, whose logit is explained.

    Returns:
        float32 `[B, H, W]`, at least 0, in logits a standard deviation of ImageNet's pixels.

    References:
        Simonyan, Vedaldi & Zisserman, Deep inside convolutional networks, 2014, section 3.1.
    """
    return largest_channel(input_gradient(model, variables, images, classes))


def largest_channel(gradients: Array) -> Array:
    """`[B, H, W, C]` to the largest absolute value of the channels, float32 `[B, H, W]`."""
    return jnp.abs(gradients).max(axis=-1).astype(jnp.float32)
