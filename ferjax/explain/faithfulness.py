"""Measures whether the hot pixels of a map matter to the network: deletion and insertion curves.

Deletion replaces more and more of the hottest pixels by grey: with a good map the probability of the class
falls early, and the area under its curve is small. Insertion restores them in a blurred image: the
probability rises early, and the area is large. How fast it falls or rises depends on the network, so compare
areas with that of a map in random order. Source: Petsiuk et al., RISE, BMVC 2018, section 4.1.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ferjax.explain.layers import image_hw, logits_of

STEPS = 16
GREY = 0.0  # ImageNet's mean colour, normalised
_BLUR = 1 / 10  # standard deviation as a share of the image's side; it removes any expression


def deletion_curve(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    heat: Float[Array, "B H W"],
    *,
    steps: int = STEPS,
) -> Float[Array, "B {steps}+1"]:
    """Computes the probability of the class while the image is covered, the hottest pixels first.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose probability is measured.
        heat: float `[B, H, W]`; only the order of the pixels counts.
        steps: the pixels are covered in so many equal parts.

    Returns:
        float32 `[B, steps + 1]`: from the whole image to grey.
    """
    return _curve(model, variables, classes, heat, steps, before=images, after=jnp.full_like(images, GREY))


def insertion_curve(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    heat: Float[Array, "B H W"],
    *,
    steps: int = STEPS,
) -> Float[Array, "B {steps}+1"]:
    """Computes the probability of the class while a blurred image is restored, the hottest pixels first.

    Args: see `deletion_curve`.

    Returns:
        float32 `[B, steps + 1]`: from the blurred image to the whole one.
    """
    return _curve(model, variables, classes, heat, steps, before=blurred(images), after=images)


def area(curve: Float[np.ndarray, "B S"]) -> Float[np.ndarray, " B"]:
    """Computes the area under each curve by the trapezoidal rule; all steps together are 1 wide."""
    return (curve[:, 1:] + curve[:, :-1]).mean(1) / 2


def ranks(heat: Float[Array, "B H W"]) -> Int[Array, "B H W"]:
    """Computes the place of each pixel in the order of falling heat.

    Args:
        heat: float `[B, H, W]`.

    Returns:
        int32 `[B, H, W]`, 0 for the hottest pixel. Among equally hot pixels a fixed shuffled order decides:
        that of the rows would begin at the top of the image.
    """
    batch, height, width = heat.shape
    shuffled = jax.random.permutation(jax.random.key(0), height * width)
    flat = heat.reshape(batch, -1)[:, shuffled]
    order = shuffled[jnp.argsort(-flat, axis=1, stable=True)]
    return jnp.argsort(order, axis=1).astype(jnp.int32).reshape(heat.shape)


def blurred(images: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Blurs with a Gaussian of a tenth of the image's side; weights add up to 1 at borders too."""

    def matrix(size: int) -> Array:
        places = jnp.arange(size)
        distances = (places[:, None] - places) / (_BLUR * size)
        weights = jnp.exp(-(distances**2) / 2)
        return (weights / weights.sum(1, keepdims=True)).astype(images.dtype)

    rows, columns = map(matrix, image_hw(images))
    return jnp.einsum("ij,bjkc,lk->bilc", rows, images, columns)


def _curve(
    model: nn.Module,
    variables: Any,
    classes: Int[Array, " B"],
    heat: Float[Array, "B H W"],
    steps: int,
    before: Float[Array, "B H W 3"],
    after: Float[Array, "B H W 3"],
) -> Float[Array, "B {steps}+1"]:
    """Replaces the pixels of `before` by those of `after`, the hottest first."""
    places = ranks(heat)[..., None]
    pixels = heat.shape[1] * heat.shape[2]

    def probability(replaced: Array) -> Array:
        logits = logits_of(model, variables, jnp.where(places < replaced, after, before))
        probabilities = jax.nn.softmax(logits.astype(jnp.float32))
        return jnp.take_along_axis(probabilities, classes[:, None], axis=1)[:, 0]

    counts = jnp.round(jnp.arange(steps + 1) * pixels / steps).astype(jnp.int32)
    return jax.lax.map(probability, counts).T
