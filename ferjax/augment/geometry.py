"""Flip, rotation, translation, scale, shear, crop and elastic distortion in one bilinear resampling."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num
from ml_collections import ConfigDict

from ferjax.augment import randaugment
from ferjax.augment.draws import Draws

# Control points of the elastic distortion along each side that lie in the image.
ELASTIC_POINTS = 4
_WARPS = ("rotate", "translate", "scale", "shear", "random_crop", "elastic", "randaugment")


def move(
    draws: Draws, images: Num[Array | np.ndarray, "B H W C"], config: ConfigDict
) -> Num[Array | np.ndarray, "B H W C"]:
    """Applies all geometric options of the group `augment`, resampling once.

    Args:
        draws: of the batch.
        images: uint8 or float.
        config: the group.

    Returns:
        Float32 images, or the images' dtype where no pixel needs to be interpolated.
    """
    flips = draws.chance("flip", 0.5) if config.flip else None
    if not any(config[name] for name in _WARPS):
        return images if flips is None else flip(images, flips)
    _, height, width, _ = images.shape
    field = elastic_field(draws, height, width, config.elastic) if config.elastic else None
    return warp(images, sampling_matrices(draws, flips, height, width, config), field)


def flip(images: Num[Array | np.ndarray, "B H W C"], which: Bool[Array, " B"]) -> Num[Array, "B H W C"]:
    """Mirrors the images where `which` is true, left to right."""
    return jnp.where(which[:, None, None, None], images[:, :, ::-1], images)


def sampling_matrices(
    draws: Draws, flips: Bool[Array, " B"] | None, height: int, width: int, config: ConfigDict
) -> Float[Array, "B 2 3"]:
    """Draws affine maps from the pixels of the result to the pixels that they show.

    Seen from the source, an image is mirrored, sheared, scaled and turned about its centre, moved by whole
    pixels, changed by RandAugment's operations, cropped and resized back.

    Args:
        draws: of the batch.
        flips: which images are mirrored, or None.
        height: of the images, pixels.
        width: of the images, pixels.
        config: `rotate` and `shear` in degrees, `scale`, `translate` and `random_crop` as shares;
            `randaugment` and its magnitude.

    Returns:
        Float32 maps from (x, y, 1) of the result to (x, y) of the source, in pixels from the centre.
    """
    one = jnp.ones_like(draws.between("rotate"))
    zero = 0 * one
    maps = []
    if config.random_crop:
        side = 1 - draws.between("random_crop", 0.0, config.random_crop)
        x = draws.between("random_crop.x", -0.5, 0.5) * (1 - side) * (width - 1)
        y = draws.between("random_crop.y", -0.5, 0.5) * (1 - side) * (height - 1)
        maps.append(_matrix(side, zero, x, zero, side, y))
    if config.randaugment:
        picked = randaugment.pick(draws, config.randaugment, config.randaugment_magnitude).shifts
        x = jnp.round(picked["translate_x"] * randaugment.TRANSLATE * width)
        y = jnp.round(picked["translate_y"] * randaugment.TRANSLATE * height)
        maps.append(_matrix(one, zero, x, zero, one, y))
        maps.append(_matrix(one, -randaugment.SHEAR * picked["shear_x"], zero, zero, one, zero))
        maps.append(_matrix(one, zero, zero, -randaugment.SHEAR * picked["shear_y"], one, zero))
        maps.append(_turned(picked["rotate"] * randaugment.ROTATE))
    if config.translate:
        x = jnp.round(draws.between("translate.x", -1.0, 1.0) * config.translate * width)
        y = jnp.round(draws.between("translate.y", -1.0, 1.0) * config.translate * height)
        maps.append(_matrix(one, zero, x, zero, one, y))
    if config.rotate:
        maps.append(_turned(draws.between("rotate", -config.rotate, config.rotate)))
    if config.scale:
        smaller = 1 / draws.between("scale", 1 - config.scale, 1 + config.scale)
        maps.append(_matrix(smaller, zero, zero, zero, smaller, zero))
    if config.shear:
        slant = jnp.tan(jnp.deg2rad(draws.between("shear", -config.shear, config.shear)))
        maps.append(_matrix(one, -slant, zero, zero, one, zero))
    if flips is not None:
        maps.append(_matrix(jnp.where(flips, -1.0, 1.0), zero, zero, zero, one, zero))
    whole = jnp.eye(3)
    for each in maps:
        # In full precision: a coordinate of 255.5 needs more digits than bfloat16 has.
        whole = jnp.matmul(each, whole, precision=jax.lax.Precision.HIGHEST)
    return jnp.broadcast_to(whole, (len(one), 3, 3))[:, :2]


def _matrix(xx: Array, xy: Array, x: Array, yx: Array, yy: Array, y: Array) -> Array:
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    return jnp.stack([xx, xy, x, yx, yy, y, zero, zero, one], -1).reshape(-1, 3, 3)


def _turned(degrees: Array) -> Array:
    turn = jnp.deg2rad(degrees)
    zero = jnp.zeros_like(turn)
    return _matrix(jnp.cos(turn), jnp.sin(turn), zero, -jnp.sin(turn), jnp.cos(turn), zero)


def elastic_field(
    draws: Draws, height: int, width: int, strength: float
) -> Float[Array, "B {height} {width} 2"]:
    """Draws smooth random displacements: cubic B-splines over a coarse grid of uniform draws.

    Args:
        draws: of the batch.
        height: of the images, pixels.
        width: of the images, pixels.
        strength: bound of every displacement, as a share of the image's side.

    Returns:
        Float32 (x, y) in pixels.
    """
    points = ELASTIC_POINTS + 2
    limits = strength * jnp.array([width, height])
    grid = draws.grid((points, points, 2)) * limits
    rows, columns = jnp.asarray(spline_weights(height)), jnp.asarray(spline_weights(width))
    exact = jax.lax.Precision.HIGHEST
    return jnp.einsum("hp,bpqd,wq->bhwd", rows, grid, columns, precision=exact)


def spline_weights(size: int) -> Float[np.ndarray, "{size} points"]:
    """Computes float32 cubic B-spline weights of the `ELASTIC_POINTS + 2` control points at each pixel.

    The weights of a pixel are at least 0 and add up to 1.
    """
    at = np.linspace(0, ELASTIC_POINTS - 1, size)[:, None] - (np.arange(ELASTIC_POINTS + 2) - 1)
    far = np.abs(at)
    near = (4 - 6 * far**2 + 3 * far**3) / 6
    return np.where(far < 1, near, np.maximum(2 - far, 0) ** 3 / 6).astype(np.float32)


def warp(
    images: Num[Array | np.ndarray, "B H W C"],
    matrices: Float[Array | np.ndarray, "B 2 3"],
    field: Float[Array | np.ndarray, "B H W 2"] | None = None,
) -> Float[Array, "B H W C"]:
    """Resamples images bilinearly; beyond the border the border's pixels go on.

    It gathers four neighbours: dense matrix products for the same took 130 times as long on a CPU.

    Args:
        images: uint8 or float.
        matrices: see `sampling_matrices`.
        field: added to the places that are read, pixels (x, y); or None.

    Returns:
        Float32 images.
    """
    rows, height, width, channels = images.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = (jnp.arange(width) - middle_x)[None, None, :]
    y = (jnp.arange(height) - middle_y)[None, :, None]
    m = jnp.asarray(matrices)[:, :, :, None, None]
    source_x = m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2] + middle_x
    source_y = m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2] + middle_y
    if field is not None:
        source_x, source_y = source_x + field[..., 0], source_y + field[..., 1]
    x0, x1, right = _neighbours(source_x, width)
    y0, y1, below = _neighbours(source_y, height)
    flat = images.reshape(rows, height * width, channels)

    def pixels(y: Array, x: Array) -> Array:
        take = jax.vmap(lambda image, places: image.at[places].get(mode="promise_in_bounds"))
        return take(flat, y * width + x).astype(jnp.float32)

    top = _blend(pixels(y0, x0), pixels(y0, x1), right)
    bottom = _blend(pixels(y1, x0), pixels(y1, x1), right)
    return _blend(top, bottom, below)


def _neighbours(
    places: Float[Array, "B H W"], size: int
) -> tuple[Int[Array, "B H W"], Int[Array, "B H W"], Float[Array, "B H W 1"]]:
    """Finds the pixels before and after each place, and the share of the way to the second."""
    places = jnp.clip(places, 0, size - 1)
    before = jnp.floor(places)
    first = before.astype(jnp.int32)
    return first, jnp.minimum(first + 1, size - 1), (places - before)[..., None]


def _blend(first: Array, second: Array, share: Array) -> Array:
    return first + share * (second - first)
