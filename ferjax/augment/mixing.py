"""mixup (Zhang et al., 2018) and cutmix (Yun et al., 2019): two examples mixed into one, and their labels."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8
from ml_collections import ConfigDict

from ferjax.augment.boxes import fill
from ferjax.augment.draws import Draws

_QUANTILES = 4096


def mix(
    key: Key[Array, ""],
    images: UInt8[Array | np.ndarray, "B H W C"],
    labels: Int[Array | np.ndarray, " B"] | Float[Array | np.ndarray, "B K"],
    num_classes: int,
    config: ConfigDict,
) -> tuple[
    UInt8[Array | np.ndarray, "B H W C"],
    Int[Array | np.ndarray, " B"] | Float[Array | np.ndarray, "B K"],
]:
    """Mixes each example with the one in the row before, as the group `augment` asks for.

    The share λ of the example's own pixels is drawn from Beta(α, α) for each example; with both options on,
    each example takes one of them with probability one half.

    Args:
        key: typed, of the step.
        images: of the batch.
        labels: class numbers, or distributions.
        num_classes: K.
        config: the group `augment`; `mixup` and `cutmix` are α, 0 is off.

    Returns:
        Images, and the labels as float32 distributions `[B, K]`; with both options off the arguments
        unchanged.
    """
    if not (config.mixup or config.cutmix):
        return images, labels
    rows, height, width, _ = images.shape
    draws = Draws(key, rows)
    own = _own_shares(draws, (height, width), config)
    mixed = own * images + (1 - own) * jnp.roll(images, 1, axis=0)
    targets = labels if labels.ndim == 2 else jax.nn.one_hot(labels, num_classes)
    share = own.mean((1, 2, 3))[:, None]
    return (
        jnp.round(mixed).astype(jnp.uint8),
        share * targets + (1 - share) * jnp.roll(targets, 1, axis=0),
    )


def _own_shares(
    draws: Draws, shape: tuple[int, int], config: ConfigDict
) -> Float[Array, "B 1 1 1"] | Float[Array, "B H W 1"]:
    """Draws how much of each pixel is the example's own."""
    if not config.mixup:
        return 1.0 - _cut(draws, config.cutmix, shape)
    mixed = _beta(draws.between("mixup"), config.mixup)[:, None, None, None]
    if not config.cutmix:
        return mixed
    outside = 1.0 - _cut(draws, config.cutmix, shape)
    cuts = draws.chance("cutmix, not mixup", 0.5)[:, None, None, None]
    return jnp.where(cuts, outside, mixed)


def _beta(units: Float[Array, " B"], alpha: float) -> Float[Array, " B"]:
    """Turns uniform draws into Beta(α, α): its quantile function, linear between the points of a table."""
    from scipy.special import betaincinv  # a quarter of a second that predictions need not wait

    table = jnp.asarray(betaincinv(alpha, alpha, np.linspace(0, 1, _QUANTILES + 1)), jnp.float32)
    place = units * _QUANTILES
    below = jnp.minimum(place.astype(jnp.int32), _QUANTILES - 1)
    return table[below] + (place - below) * (table[below + 1] - table[below])


def _cut(draws: Draws, alpha: float, shape: tuple[int, int]) -> Bool[Array, "B H W 1"]:
    """Draws a rectangle of the area 1 − λ about any pixel; at the border it is cut off."""
    side = jnp.sqrt(1 - _beta(draws.between("cutmix"), alpha))
    heights, widths = jnp.round(side * shape[0]), jnp.round(side * shape[1])
    tops = jnp.floor(draws.between("cutmix.y") * shape[0]) - heights // 2
    lefts = jnp.floor(draws.between("cutmix.x") * shape[1]) - widths // 2
    return fill(tops, lefts, heights, widths, shape)
