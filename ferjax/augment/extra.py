"""Augmentations that `augment.extra` names: registered functions, and functions of your own."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ferjax.augment.draws import Draws
from ferjax.config.text_fields import parse_extra
from ferjax.errors import UserError, foreign
from ferjax.registry import AUGMENTATIONS


class Extra(NamedTuple):
    """One augmentation and its strength.

    Attributes:
        name: as in the config.
        function: see `ferjax.registry.augmentation`.
        strength: above 0.
    """

    name: str
    function: Callable[..., Any]
    strength: float


def parse(text: str) -> tuple[Extra, ...]:
    """Reads `augment.extra`.

    >>> [(extra.name, extra.strength) for extra in parse("gaussian_blur=0.02, gamma=0.3")]
    [('gaussian_blur', 0.02), ('gamma', 0.3)]

    Args:
        text: `name=strength,name=strength`; a name is registered, or `package.module:function`.

    Raises:
        UserError: an unknown name, one that stands there twice, or a strength that is no number above 0.
    """
    return tuple(Extra(name, _function(name), strength) for name, strength in parse_extra(text))


def _function(name: str) -> Callable[..., Any]:
    function = AUGMENTATIONS.find(name).target
    if not callable(function):
        raise UserError(f"augmentation {name!r} is not a function")
    return function


def apply_extra(draws: Draws, images: Float[Array, "B H W C"], text: str) -> Float[Array, "B H W C"]:
    """Applies the augmentations of `augment.extra`, one after the other.

    Args:
        draws: of the batch.
        images: 0–255.
        text: see `parse`.

    Returns:
        Images, cut to 0–255.

    Raises:
        UserError: as `parse`; or a function fails, or gives another shape or dtype.
    """
    for name, function, strength in parse(text):
        # By the name: an augmentation draws the same whatever else is on. 1 and 2 are taken.
        keys = draws.keys(np.uint32(zlib.crc32(name.encode()) | 1 << 31))
        try:
            changed = function(keys, images, strength)
        except Exception as error:  # code of the user's own: anything may go wrong in it
            if getattr(function, "__module__", "").startswith("ferjax."):
                raise
            what = foreign(error)
            raise UserError(f"augmentation {name} fails on images {images.shape}: {what}") from error
        given, expected = (
            jax.tree.map(lambda x: (jnp.shape(x), str(jnp.result_type(x))), x) for x in (changed, images)
        )
        if given != expected:
            raise UserError(f"augmentation {name} gives {given}; it must give what it takes, {expected}")
        images = jnp.clip(changed, 0, 255)
    return images
