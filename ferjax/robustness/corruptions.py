"""Damages pictures of faces as cameras, light and files do, in five strengths; by a key an image.

The idea of fixed kinds and strengths: Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations" (ICLR 2019). The kinds and strengths here are ferjax's own, for tight
crops of faces: weather is left out, light, resolution and turned heads are in.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from ferjax.augment.blur import blurred
from ferjax.augment.geometry import warp
from ferjax.augment.tone import contrast as towards_grey
from ferjax.robustness import jpeg, occlusions

Images = Float[Array, "B H W C"]
Keys = Key[Array, " B"]
Strength = Float[Array, ""]
_STREAK = 9  # images that a motion blur averages


class Corruption(NamedTuple):
    """One kind of damage.

    Attributes:
        damage: (keys, images 0–255, strength) → images of the same shape, which may leave 0–255.
        strengths: five, rising.
        words: what it is, with the strength's unit.
    """

    damage: Callable[[Keys, Images, Strength], Images]
    strengths: tuple[float, float, float, float, float]
    words: str


@partial(jax.jit, static_argnames="name")
def corrupted(
    name: str,
    strength: Int[Array, ""] | int,
    key: Key[Array, ""],
    indices: Array,
    images: UInt8[Array | np.ndarray, "B H W C"],
) -> UInt8[Array, "B H W C"]:
    """Damages images; what an image becomes depends on its index, not on the batch that it is in.

    Args:
        name: one of `CORRUPTIONS`.
        strength: 1 to 5; traced, so that one program serves all.
        key: typed; of the whole measurement.
        indices: int32 `[B]`, the images' places in the data set.
        images: of 1 or 3 channels.
    """
    kind = CORRUPTIONS[name]
    own = jax.random.fold_in(jax.random.fold_in(key, list(CORRUPTIONS).index(name)), strength)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(own, indices)
    amount = jnp.asarray(kind.strengths, jnp.float32)[strength - 1]
    damaged = kind.damage(keys, jnp.asarray(images, jnp.float32), amount)
    return jnp.clip(jnp.round(damaged), 0, 255).astype(jnp.uint8)


def _noise(keys: Keys, images: Images, strength: Strength) -> Images:
    noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
    return images + 255 * strength * noise


def _impulse(keys: Keys, images: Images, strength: Strength) -> Images:
    """Makes a share of the pixels, in all channels, black or white."""
    drawn = jax.vmap(lambda key: jax.random.uniform(key, (*images.shape[1:3], 1)))(keys)
    images = jnp.where(drawn < strength / 2, 0.0, images)
    return jnp.where(drawn > 1 - strength / 2, 255.0, images)


def _blur(keys: Keys, images: Images, strength: Strength) -> Images:
    return blurred(images, jnp.full(len(keys), strength * images.shape[1]))


def _motion(keys: Keys, images: Images, strength: Strength) -> Images:
    """Averages the image along a line of a random direction."""
    angles = jax.vmap(lambda key: jax.random.uniform(key, maxval=np.pi))(keys)
    steps = np.linspace(-0.5, 0.5, _STREAK) * strength * images.shape[1]
    moved = [warp(images, _matrices(jnp.zeros_like(angles), angles, step)) for step in steps]
    return sum(moved[1:], start=moved[0]) / _STREAK


def _matrices(
    turns: Float[Array, " B"], directions: Float[Array, " B"], step: float
) -> Float[Array, "B 2 3"]:
    """Makes maps that turn about the centre and move by `step` pixels in a direction; angles in radians."""
    cos, sin = jnp.cos(turns), jnp.sin(turns)
    x, y = step * jnp.cos(directions), step * jnp.sin(directions)
    return jnp.stack([jnp.stack([cos, sin, x], -1), jnp.stack([-sin, cos, y], -1)], 1)


def _rotation(keys: Keys, images: Images, strength: Strength) -> Images:
    """Turns the head to one side or the other."""
    sides = jax.vmap(lambda key: jax.random.rademacher(key, (), jnp.float32))(keys)
    turns = sides * jnp.deg2rad(strength)
    return warp(images, _matrices(turns, jnp.zeros_like(turns), 0.0))


def _dark(keys: Keys, images: Images, strength: Strength) -> Images:
    del keys
    return images * (1 - strength)


def _bright(keys: Keys, images: Images, strength: Strength) -> Images:
    del keys
    return images + strength * (255 - images)


def _pale(keys: Keys, images: Images, strength: Strength) -> Images:
    return towards_grey(images, jnp.full(len(keys), 1 - strength))


def _side_light(keys: Keys, images: Images, strength: Strength) -> Images:
    """Darkens the image evenly from one side, of a random direction, to the other."""
    angles = jax.vmap(lambda key: jax.random.uniform(key, maxval=2 * np.pi))(keys)[:, None, None]
    y = jnp.linspace(-1, 1, images.shape[1])[:, None]
    x = jnp.linspace(-1, 1, images.shape[2])
    across = (x * jnp.cos(angles) + y * jnp.sin(angles)).clip(-1, 1)
    return images * (1 - strength * (across + 1) / 2)[..., None]


def _resolution(keys: Keys, images: Images, strength: Strength) -> Images:
    """Makes the image smaller by a share of its sides, and large again."""
    del keys
    rows, columns = (_reduced(size, 1 - strength) for size in images.shape[1:3])
    exact = jax.lax.Precision.HIGHEST
    return jnp.einsum("ph,bhwc,qw->bpqc", rows, images, columns, precision=exact)


def _reduced(size: int, share: Strength) -> Float[Array, "size size"]:
    """Returns the matrix that resizes an axis to a share of its pixels and back: linear, antialiased."""
    count = jnp.maximum(1, jnp.round(size * share))
    scale, pixels = size / count, jnp.arange(size)
    # Rows from `count` on stand for no pixel, and are read by none.
    down = jnp.maximum(0, 1 - jnp.abs(((pixels + 0.5) * scale - 0.5)[:, None] - pixels) / scale)
    down = down / jnp.maximum(down.sum(1, keepdims=True), 1e-6)
    places = jnp.clip((pixels + 0.5) / scale - 0.5, 0, count - 1)
    up = jnp.maximum(0, 1 - jnp.abs(places[:, None] - pixels))
    return up @ down


CORRUPTIONS = {
    "gaussian_noise": Corruption(_noise, (0.04, 0.08, 0.12, 0.16, 0.2), "deviation as a share of 255"),
    "impulse_noise": Corruption(_impulse, (0.02, 0.04, 0.07, 0.11, 0.16), "share of black and white pixels"),
    "blur": Corruption(_blur, (0.01, 0.02, 0.03, 0.04, 0.05), "deviation as a share of the height"),
    "motion_blur": Corruption(_motion, (0.06, 0.1, 0.14, 0.18, 0.22), "length as a share of the height"),
    "dark": Corruption(_dark, (0.3, 0.5, 0.65, 0.75, 0.85), "share of the light that is lost"),
    "bright": Corruption(_bright, (0.15, 0.3, 0.45, 0.6, 0.7), "share of the way to white"),
    "low_contrast": Corruption(_pale, (0.3, 0.5, 0.65, 0.75, 0.85), "share of the contrast that is lost"),
    "side_light": Corruption(_side_light, (0.4, 0.55, 0.7, 0.8, 0.9), "share of the light lost at one side"),
    "jpeg": Corruption(jpeg.compressed, (60, 75, 85, 90, 95), "100 − quality"),
    "resolution": Corruption(_resolution, (0.4, 0.55, 0.65, 0.75, 0.8), "share of each side that is lost"),
    "rotation": Corruption(_rotation, (10, 20, 30, 45, 60), "degrees"),
    "mask": Corruption(occlusions.mask, (0.25, 0.32, 0.38, 0.44, 0.5), "covered share from below"),
    "glasses": Corruption(
        occlusions.glasses, (0.08, 0.11, 0.14, 0.17, 0.2), "radius as a share of the width"
    ),
    "hand": Corruption(occlusions.hand, (0.1, 0.18, 0.26, 0.34, 0.42), "covered share"),
}
