"""mixup (Zhang et al., 2018) and cutmix (Yun et al., 2019): two examples in one, and so their labels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from ml_collections import ConfigDict
from scipy.special import betaincinv

from ferjax.augment.boxes import fill
from ferjax.augment.draws import Draws

_QUANTILES = 4096


def mix(
    key: Array, images: Array, labels: Array, num_classes: int, config: ConfigDict
) -> tuple[Array, Array]:
    """Mixes each example with the one in the row before, as the group `augment` asks for.

    The share λ of the example's own pixels is drawn from Beta(α, α) for each example; with both options on,
    each example takes one of them with probability one half.

    Args:
        key: typed, of the step.
        images: uint8 `[B, H, W, C]`.
        labels: integers `[B]`, or distributions `[B, K]`.
        num_classes: K.
        config: `mixup` and `cutmix` are α; 0 is off.

    Returns:
        uint8 `[B, H, W, C]`, and the labels as distributions float32 `[B, K]`; with both options off the
        arguments as they were.
    """
    if not (config.mixup or config.cutmix):
        return images, labels
    rows, height, width, _ = images.shape
    draws = Draws(key, rows)
    if config.mixup:
        own = _beta(draws.between("mixup"), config.mixup)[:, None, None, None]
    if config.cutmix:
        outside = 1.0 - _cut(draws, config.cutmix, (height, width))
        cuts = draws.chance("cutmix, not mixup", 0.5)[:, None, None, None]
        own = jnp.where(cuts, outside, own) if config.mixup else outside
    mixed = own * images + (1 - own) * jnp.roll(images, 1, axis=0)
    targets = labels if labels.ndim == 2 else jax.nn.one_hot(labels, num_classes)
    share = own.mean((1, 2, 3))[:, None]
    return (
        jnp.round(mixed).astype(jnp.uint8),
        share * targets + (1 - share) * jnp.roll(targets, 1, axis=0),
    )


def _beta(units: Array, alpha: float) -> Array:
    """Beta(α, α) from uniform draws: its quantile function, straight between the points of a table."""
    table = jnp.asarray(betaincinv(alpha, alpha, np.linspace(0, 1, _QUANTILES + 1)), jnp.float32)
    place = units * _QUANTILES
    below = jnp.minimum(place.astype(jnp.int32), _QUANTILES - 1)
    return table[below] + (place - below) * (table[below + 1] - table[below])


def _cut(draws: Draws, alpha: float, shape: tuple[int, int]) -> Array:
    """A rectangle of the area 1 − λ about any pixel: bool `[B, H, W, 1]`. At the border it is cut off."""
    side = jnp.sqrt(1 - _beta(draws.between("cutmix"), alpha))
    heights, widths = jnp.round(side * shape[0]), jnp.round(side * shape[1])
    tops = jnp.floor(draws.between("cutmix.y") * shape[0]) - heights // 2
    lefts = jnp.floor(draws.between("cutmix.x") * shape[1]) - widths // 2
    return fill(tops, lefts, heights, widths, shape)
