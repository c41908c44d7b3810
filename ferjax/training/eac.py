"""Erasing attention consistency: the class maps of an image and of its mirror image shall agree.

A network that learns a wrong label by heart looks at some part of the face that its mirror image does not
show at the same place; together with random erasing the term keeps it from that.

References:
    Zhang et al., Learn from all: erasing attention consistency for noisy label facial expression recognition,
    ECCV 2022, equations 1 to 4.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def inconsistency(
    maps: Float[Array, "B h w C"], mirrored: Float[Array, "B h w C"], weights: Float[Array, "C K"]
) -> Float[Array, " B"]:
    """Averages the squared difference of class maps over places and classes.

    Args:
        maps: what the network averages of each image.
        mirrored: the same of the images turned left to right; their maps are turned back here.
        weights: of the classifier, see `ferjax.models.class_maps.class_weights`; no gradient reaches them.

    Returns:
        Float32, ≥ 0.
    """
    weights = jax.lax.stop_gradient(weights.astype(jnp.float32))
    # One product of the difference, which is the difference of the class maps.
    apart = (maps.astype(jnp.float32) - mirrored[:, :, ::-1].astype(jnp.float32)) @ weights
    return jnp.square(apart).mean(axis=(1, 2, 3))
