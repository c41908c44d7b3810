"""Integrated gradients: divides the change of a logit from a grey image to this one among the pixels."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError
from ferjax.explain.saliency import input_gradient


def integrated_gradients(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    steps: int = 32,
    baseline: float = 0.0,
) -> Float[Array, "B H W"]:
    """Computes (x − x') · ∫ ∂logit/∂x along the straight line from the baseline x' to the image x.

    The integral is approximated at the midpoints of `steps` equal parts.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose logit is explained.
        steps: at least 1; the paper uses 20 to 300.
        baseline: normalised value of every pixel of x'; 0 is ImageNet's mean colour, a grey.

    Returns:
        float32 `[B, H, W]`, signed, summed over the channels; a map's sum is near logit(x) − logit(x').

    Raises:
        UserError: `steps` is below 1.

    References:
        Sundararajan, Taly & Yan, Axiomatic attribution for deep networks, ICML 2017, equations 1 and 3.
    """
    if steps < 1:
        raise UserError(f"integrated_gradients takes steps ≥ 1, not {steps}")
    difference = images - baseline

    def add(total: Array, share: Array) -> tuple[Array, None]:
        between = baseline + share.astype(images.dtype) * difference
        return total + input_gradient(model, variables, between, classes), None

    shares = (jnp.arange(steps) + 0.5) / steps
    total, _ = jax.lax.scan(add, jnp.zeros_like(images), shares)
    return (difference * total / steps).sum(axis=-1).astype(jnp.float32)
