"""Tests whether a map depends on the weights: it must change when they are replaced by random ones.

Cascading randomisation (Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3.1): layer by
layer, from the logits down to the image, weights are replaced by initial ones, and the maps of the damaged
network are compared with those of the trained one by the rank correlation of their pixels. A map that does
not change shows edges of the image, not reasons of the network.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ferjax.explain.layers import layers_of


def call_order(model: nn.Module, params: Mapping[str, Any], image_hw: tuple[int, int]) -> tuple[str, ...]:
    """Lists the network's outermost modules that have weights, in the order of their first calls.

    Args:
        model: the network.
        params: its weights.
        image_hw: rows and columns of its images.
    """
    called = dict.fromkeys(name.partition("/")[0] for name in layers_of(model, image_hw, nn.Module))
    return tuple(name for name in called if name in params)


def cascade(
    model: nn.Module, variables: Mapping[str, Any], image_hw: tuple[int, int], seed: int = 0
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Replaces weights by initial ones, one outermost module after the other, the last one first.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        image_hw: rows and columns of its images.
        seed: the seed of the initial weights.

    Yields:
        The module's name, and variables in which it and all modules called after it have initial weights and
        running statistics.
    """
    # Weights outside of these modules, such as a network's own parameters, are replaced with the first
    # module.
    init = jax.jit(model.init)(jax.random.key(seed), jnp.zeros((1, *image_hw, 3)))
    order = call_order(model, variables["params"], image_hw)
    replaced: set[str] = set()
    for name in reversed(order):
        replaced |= {name} if name != order[0] else {*variables["params"], *variables["batch_stats"]}
        yield (
            name,
            {
                kind: {
                    key: init[kind][key] if key in replaced else value
                    for key, value in variables[kind].items()
                }
                for kind in ("params", "batch_stats")
            },
        )


def rank_correlation(
    first: Float[np.ndarray, "N H W"], second: Float[np.ndarray, "N H W"]
) -> Float[np.ndarray, " N"]:
    """Computes Spearman's correlation of the pixels of each pair of maps.

    Args:
        first: float `[N, H, W]`.
        second: float `[N, H, W]`.

    Returns:
        float64 `[N]`, −1 … 1; NaN if one of the two has the same value everywhere.
    """
    first, second = (
        np.stack([_ranks(image.ravel()) for image in np.asarray(maps)]) for maps in (first, second)
    )
    first, second = (ranks - ranks.mean(1, keepdims=True) for ranks in (first, second))
    together = (first * second).sum(1)
    size = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return np.divide(together, size, out=np.full(len(size), np.nan), where=size > 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks values from 0 on; equal values get the mean of their ranks."""
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[groups]
