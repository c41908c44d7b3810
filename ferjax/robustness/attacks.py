"""Adversarial noise within a bound: what is left of the accuracy if somebody chooses the pixels' changes.

A floor, not a certificate: a stronger attack may find more.

Sources: Goodfellow et al., "Explaining and Harnessing Adversarial Examples" (ICLR 2015) for FGSM; Madry et
al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018) for PGD.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

Logits = Callable[[Any, Float[Array, "B H W C"]], Float[Array, "B K"]]


def fgsm(
    logits: Logits,
    variables: Any,
    images: Float[Array, "B H W C"],
    labels: Int[Array, " B"],
    bound: Float[Array, ""] | float,
) -> Float[Array, "B H W C"]:
    """Moves every pixel by `bound` in the direction in which the loss rises (one step).

    Args:
        logits: of variables and images 0–255.
        variables: the network's.
        images: 0–255.
        labels: the actual classes.
        bound: the largest change of a pixel, in units of 0–255.
    """
    return jnp.clip(images + bound * jnp.sign(_rising(logits, variables, images, labels)), 0, 255)


def pgd(
    logits: Logits,
    variables: Any,
    images: Float[Array, "B H W C"],
    labels: Int[Array, " B"],
    bound: Float[Array, ""] | float,
    key: Key[Array, ""],
    steps: int,
) -> Float[Array, "B H W C"]:
    """Takes several such steps of 2.5 · bound / steps from a random start, each put back into the bound.

    Args:
        logits: see `fgsm`.
        variables: see `fgsm`.
        images: see `fgsm`.
        labels: see `fgsm`.
        bound: see `fgsm`.
        key: of the random start.
        steps: how many.
    """
    start = images + bound * jax.random.uniform(key, images.shape, minval=-1.0)

    def step(_: Array, moved: Array) -> Array:
        moved = moved + 2.5 * bound / steps * jnp.sign(_rising(logits, variables, moved, labels))
        return jnp.clip(jnp.clip(moved, images - bound, images + bound), 0, 255)

    return jax.lax.fori_loop(0, steps, step, jnp.clip(start, 0, 255))


def _rising(logits: Logits, variables: Any, images: Array, labels: Array) -> Array:
    def loss(images: Array) -> Array:
        chances = jax.nn.log_softmax(logits(variables, images).astype(jnp.float32))
        return -jnp.take_along_axis(chances, labels[:, None], axis=1).sum()

    return jax.grad(loss)(images)
