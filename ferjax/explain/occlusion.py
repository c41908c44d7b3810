"""Occlusion maps: covers one patch after another and measures the odds of the class."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError
from ferjax.explain.layers import class_scores, image_hw, logits_of

_SHARE = 4  # by default a patch is a quarter of the image's side, and moves by half of its own


def occlusion(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
) -> Float[Array, "B H W"]:
    """Computes how much the log-odds of the class fall when a grey square covers a place.

    The paper plots the probability p. log(p / (1 − p)) orders places the same way, and still differs where
    the network is so sure that p is 1 everywhere.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose odds are measured.
        patch: side of the square in pixels; a quarter of the image's shorter side if None.
        stride: pixels between two places of the square; half a patch if None.
        fill: normalised value of the square; 0 is ImageNet's mean colour, a grey.

    Returns:
        float32 `[B, H, W]`, signed: at each pixel the mean fall over all squares that cover it.

    Raises:
        UserError: the square is larger than the image, or squares leave gaps.

    References:
        Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014, section 4.2.
    """
    height, width = image_hw(images)
    patch = max(1, min(height, width) // _SHARE) if patch is None else patch
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= stride <= patch <= min(height, width):
        raise UserError(
            f"occlusion takes 1 ≤ stride ≤ patch ≤ {min(height, width)}, the image's side; "
            f"not stride {stride} and patch {patch}"
        )
    corners = jnp.asarray(
        [(top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)]
    )

    def odds(images: Array) -> Array:
        return log_odds(logits_of(model, variables, images), classes)

    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)
    whole = odds(images)

    def cover(sums: tuple[Array, Array], corner: Array) -> tuple[tuple[Array, Array], None]:
        falls, covered = sums
        top, left = corner
        inside = (rows >= top) & (rows < top + patch) & (columns >= left) & (columns < left + patch)
        fall = whole - odds(jnp.where(inside[..., None], jnp.asarray(fill, images.dtype), images))
        return (falls + inside * fall[:, None, None], covered + inside), None

    nothing = jnp.zeros((len(images), height, width), whole.dtype), jnp.zeros((height, width), jnp.int32)
    (falls, covered), _ = jax.lax.scan(cover, nothing, corners)
    return (falls / covered).astype(jnp.float32)


def _starts(length: int, patch: int, stride: int) -> np.ndarray:
    """Lists where squares begin along an axis; the last one ends at the image's edge."""
    last = length - patch
    return np.append(np.arange(0, last, stride), last)


def log_odds(logits: Float[Array, "B K"], classes: Int[Array, " B"]) -> Float[Array, " B"]:
    """Computes log(p / (1 − p)) of each image's class, float32."""
    own = class_scores(logits, classes)
    others = jnp.where(jax.nn.one_hot(classes, logits.shape[-1], dtype=bool), -jnp.inf, logits)
    return own - jax.nn.logsumexp(others.astype(own.dtype), axis=-1)
