"""Whether the hot pixels matter to the network: take them away, or show them alone, the hottest first.

Deletion replaces more and more of the hottest pixels by grey: under a good map the probability of the class
falls early, and the area under its curve is small. Insertion shows them in a blurred image: the probability
rises early, and the area is large (Petsiuk et al., RISE, BMVC 2018, section 4.1). How fast a network gives up
depends on the network, so areas are to be read against those of a map in random order.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

STEPS = 16
GREY = 0.0  # ImageNet's mean
_BLUR = 1 / 10  # deviation as a share of the image's side: no expression is left


def deletion_curve(
    model: nn.Module, variables: Any, images: Array, classes: Array, heat: Array, *, steps: int = STEPS
) -> Array:
    """The probability of each class while its image is covered, the hottest pixels first.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, whose probability is watched.
        heat: float `[B, H, W]`; only the order of the pixels counts.
        steps: equal parts, by number of pixels, in which the image goes.

    Returns:
        float32 `[B, steps + 1]`: from the whole image to grey.
    """
    return _curve(model, variables, images, classes, heat, steps, images, jnp.full_like(images, GREY))


def insertion_curve(
    model: nn.Module, variables: Any, images: Array, classes: Array, heat: Array, *, steps: int = STEPS
) -> Array:
    """The probability of each class while its image comes out of a blur, the hottest pixels first.

    Args and returns as `deletion_curve`, from the blurred image to the whole one.
    """
    return _curve(model, variables, images, classes, heat, steps, blurred(images), images)


def area(curve: np.ndarray) -> np.ndarray:
    """The area under each curve by the trapezoidal rule, all steps together 1: `[B, S]` to `[B]`."""
    return (curve[:, 1:] + curve[:, :-1]).mean(1) / 2


def ranks(heat: Array) -> Array:
    """The place of each pixel in the order of falling heat.

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


def blurred(images: Array) -> Array:
    """A Gaussian blur with a deviation of a tenth of the image's side; weights add up to 1 at borders too."""

    def matrix(size: int) -> Array:
        places = jnp.arange(size)
        apart = (places[:, None] - places) / (_BLUR * size)
        weights = jnp.exp(-(apart**2) / 2)
        return (weights / weights.sum(1, keepdims=True)).astype(images.dtype)

    rows, columns = map(matrix, images.shape[1:3])
    return jnp.einsum("ij,bjkc,lk->bilc", rows, images, columns)


def _curve(
    model: nn.Module,
    variables: Any,
    images: Array,
    classes: Array,
    heat: Array,
    steps: int,
    before: Array,
    after: Array,
) -> Array:
    places = ranks(heat)[..., None]
    pixels = images.shape[1] * images.shape[2]

    def probability(done: Array) -> Array:
        logits = model.apply(variables, jnp.where(places < done, after, before))
        said = jax.nn.softmax(logits.astype(jnp.float32))
        return jnp.take_along_axis(said, classes[:, None], axis=1)[:, 0]

    counts = jnp.round(jnp.arange(steps + 1) * pixels / steps).astype(jnp.int32)
    return jax.lax.map(probability, counts).T
