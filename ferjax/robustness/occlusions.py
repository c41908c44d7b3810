"""Covers a part of a face: a mask, dark glasses, a hand. Places are those of tight crops, eyes at 0.4."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

Images = Float[Array, "B H W C"]
Strength = Float[Array, ""]
_EYES = ((0.32, 0.4), (0.68, 0.4))  # (x, y) as shares of the sides
_MASK = (190.0, 205.0, 215.0)
_LENS = 25.0


def _places(images: Images) -> tuple[Float[Array, "H 1"], Float[Array, " W"]]:
    """Returns y and x of the pixels' middles as shares of the sides."""
    height, width = images.shape[1:3]
    return ((jnp.arange(height) + 0.5) / height)[:, None], (jnp.arange(width) + 0.5) / width


def _painted(images: Images, covered: Array, colour: Array) -> Images:
    """Paints `colour` where `covered`, bool `[B or 1, H, W]`, is true."""
    return jnp.where(covered[..., None], colour, images)


def mask(keys: Key[Array, " B"], images: Images, strength: Strength) -> Images:
    """Covers the face from below with a light mask whose upper edge rises towards the nose.

    Args:
        keys: not used.
        images: 0–255.
        strength: covered share of the height in the middle.
    """
    del keys
    y, x = _places(images)
    edge = 1 - strength + 0.6 * strength * jnp.square(2 * jnp.abs(x - 0.5))
    light = jnp.asarray(_MASK if images.shape[-1] == 3 else (np.mean(_MASK),))
    return _painted(images, (y > edge)[None], light)


def glasses(keys: Key[Array, " B"], images: Images, strength: Strength) -> Images:
    """Covers the eyes with two dark round lenses and a bridge.

    Args:
        keys: not used.
        images: 0–255.
        strength: radius of a lens as a share of the width.
    """
    del keys
    y, x = _places(images)
    lenses = [jnp.square(x - eye_x) + jnp.square(y - eye_y) < strength**2 for eye_x, eye_y in _EYES]
    bridge = (jnp.abs(x - 0.5) < _EYES[1][0] - 0.5) & (jnp.abs(y - _EYES[0][1]) < 0.02)
    return _painted(images, (lenses[0] | lenses[1] | bridge)[None], jnp.asarray(_LENS))


def hand(keys: Key[Array, " B"], images: Images, strength: Strength) -> Images:
    """Covers a part with a round patch of the face's own mean colour that comes in from a random side.

    Args:
        keys: one an image.
        images: 0–255.
        strength: covered share of the image, nearly: that of the patch's circle.
    """
    y, x = _places(images)
    radius = jnp.sqrt(2 * strength / np.pi)  # half of the circle lies in the image
    angles = jax.vmap(lambda key: jax.random.uniform(key, maxval=2 * np.pi))(keys)[:, None, None]
    # On the border of the square, in the direction of the angle.
    far = 0.5 / jnp.maximum(jnp.abs(jnp.cos(angles)), jnp.abs(jnp.sin(angles)))
    middle_x, middle_y = 0.5 + far * jnp.cos(angles), 0.5 + far * jnp.sin(angles)
    covered = jnp.square(x - middle_x) + jnp.square(y - middle_y) < radius**2
    skin = images[:, images.shape[1] // 4 : -(images.shape[1] // 4)].mean((1, 2), keepdims=True)
    return _painted(images, covered, skin)
