"""RandAugment (Cubuk et al., 2020): a few random operations on each image, all of one strength.

ferjax has those of the paper's fourteen operations that keep a face's look: identity, rotation, shear and
translation each along x and y, brightness, contrast and saturation ("color"). Equalising, posterising,
solarising, automatic contrast and sharpness are left out. The paper applies the operations in the order in
which they are drawn; here geometry comes before tone, so that there is one resampling.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ferjax.augment.draws import Draws

OPERATIONS = (
    "identity", "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "brightness", "contrast",
    "saturation",
)  # fmt: skip
# At the largest magnitude, as in AutoAugment (Cubuk et al., 2019, table 6): degrees, offset per pixel, share
# of the side (150 of 331 pixels), and the factor's distance from 1.
LARGEST_MAGNITUDE = 10.0
ROTATE, SHEAR, TRANSLATE, TONE = 30.0, 0.3, 150 / 331, 0.9
_STREAM = 2


class Picked(NamedTuple):
    """The joint effect of an image's operations.

    Attributes:
        shifts: operation of geometry → float32 `[B]`, the sum of its strengths, −1 … 1 each; 0 where it was
            not drawn.
        factors: operation of tone → float32 `[B]`, the product of its factors; 1 where it was not drawn.
    """

    shifts: dict[str, Float[Array, " B"]]
    factors: dict[str, Float[Array, " B"]]


def pick(draws: Draws, count: int, magnitude: float) -> Picked:
    """Draws `count` operations for each image, with repetition, each in either direction alike.

    Args:
        draws: of the batch.
        count: operations an image, N of the paper.
        magnitude: 0 … `LARGEST_MAGNITUDE`, M of the paper.
    """
    units = draws.grid((count, 2), _STREAM)
    number = jnp.floor((units[..., 0] + 1) / 2 * len(OPERATIONS))
    number = jnp.minimum(number, len(OPERATIONS) - 1)  # a draw next to 1 is rounded up
    strength = jnp.where(units[..., 1] < 0, -1.0, 1.0) * (magnitude / LARGEST_MAGNITUDE)
    drawn = {name: jnp.where(number == i, strength, 0.0) for i, name in enumerate(OPERATIONS)}
    return Picked(
        {name: drawn[name].sum(1) for name in OPERATIONS[1:6]},
        {name: (1 + TONE * drawn[name]).prod(1) for name in OPERATIONS[6:]},
    )
