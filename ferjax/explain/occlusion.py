"""Occlusion maps: cover a patch, and see what becomes of the class."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ferjax.errors import UserError
from ferjax.explain.layers import class_scores

_SHARE = 4  # a patch is a quarter of the image's side, and moves by half of itself


def occlusion(
    model: nn.Module,
    variables: Any,
    images: Array,
    classes: Array,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
) -> Array:
    """By how much the log-odds of the class fall where a grey square covers a place.

    log(p / (1 − p)) rises and falls with the probability p that the authors plot, and still tells places
    apart where the network is so sure that p does not.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, whose odds are watched.
        patch: side of the square in pixels; a quarter of the image's shorter side if None.
        stride: pixels between two places of the square; half a patch if None.
        fill: normalised value of the square; 0 is ImageNet's mean, a grey.

    Returns:
        float32 `[B, H, W]`, signed: at each pixel the mean fall over all squares that cover it.

    Raises:
        UserError: the square is larger than the image, or squares leave gaps.

    References:
        Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014, section 4.2.
    """
    height, width = images.shape[1:3]
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
        return log_odds(model.apply(variables, images), classes)

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
    """Where squares begin along an axis; the last one ends at the image's edge."""
    last = length - patch
    return np.append(np.arange(0, last, stride), last)


def log_odds(logits: Array, classes: Array) -> Array:
    """log(p / (1 − p)) of each image's class: `[B, K]` and `[B]` to float32 `[B]`."""
    own = class_scores(logits, classes)
    others = jnp.where(jax.nn.one_hot(classes, logits.shape[-1], dtype=bool), -jnp.inf, logits)
    return own - jax.nn.logsumexp(others.astype(own.dtype), axis=-1)
