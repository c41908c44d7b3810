"""What a network's attention layers did with each image: they sow it, nothing is added to them."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jax import Array

from ferjax.explain.layers import layers_of
from ferjax.layers.regions import RegionAttention
from ferjax.layers.spatial_transformer import SpatialTransformer
from ferjax.layers.squeeze_excitation import SqueezeExcitation


def squeeze_excitation(model: nn.Module, variables: Any, images: Array) -> dict[str, dict[str, Array]]:
    """The channel weights and feature maps of every SE block, in the order of the network.

    Of a network that sees several views of an image, the first one's, the whole image.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.

    Returns:
        Block → `weights` float32 `[B, C]` in (0, 1), and `before` and `after` float32 `[B, h, w]`: the mean
        over the channels of the absolute values that the block reads and gives. Empty where it has no block.

    References:
        Huang et al., 2023, figures 9 and 10; Hu et al., Squeeze-and-excitation networks, 2018.
    """
    found: dict[str, dict[str, Array]] = {}

    def look(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
        out = call(*arguments, **keywords)
        if isinstance(context.module, SqueezeExcitation) and context.method_name == "__call__":
            maps = {"before": _strength(arguments[0], len(images)), "after": _strength(out, len(images))}
            found["/".join(context.module.path)] = maps
        return out

    with nn.intercept_methods(look):
        sown = _sown(model, variables, images)
    return {
        block: {"weights": _first_view(sown[f"{block}/weights"], len(images)).astype(jnp.float32), **maps}
        for block, maps in found.items()
    }


def transformer_views(model: nn.Module, variables: Any, images: Array) -> dict[str, dict[str, Array]]:
    """Where every spatial transformer looked, and what it saw, in the order of the network.

    Args: as `squeeze_excitation`.

    Returns:
        Transformer → `theta` float32 `[B, 2, 3]`, see `ferjax.layers.spatial_transformer.affine_sample`, and
        `view` float32 `[B, h, w]`, the mean over the channels of what it samples. Empty where it has none.

    References:
        Khan et al., 2023, section 3.1; Jaderberg et al., 2015.
    """
    sown = _sown(model, variables, images)
    return {
        name: {
            "theta": sown[f"{name}/theta"].astype(jnp.float32),
            "view": sown[f"{name}/view"].mean(axis=-1).astype(jnp.float32),
        }
        for name in layers_of(model, images.shape[1:3], SpatialTransformer)
    }


def region_weights(model: nn.Module, variables: Any, images: Array) -> dict[str, Array]:
    """How RAN weighs the regions of each image.

    Args: as `squeeze_excitation`.

    Returns:
        `self_attention` μ and `relation_attention` ν in (0, 1), and `weights`, the shares μν / Σ μν, each
        float32 `[B, 7]` in the order of `ferjax.layers.regions.REGIONS`. Empty in other networks.

    References:
        Wang et al., 2020; the RAN + FaceNet2ExpNet proposal.
    """
    names = layers_of(model, images.shape[1:3], RegionAttention)
    if not names:
        return {}
    sown = _sown(model, variables, images)
    kinds = ("self_attention", "relation_attention", "weights")
    return {kind: sown[f"{names[0]}/{kind}"].astype(jnp.float32) for kind in kinds}


def _sown(model: nn.Module, variables: Any, images: Array) -> dict[str, Array]:
    """Path → what was sown there last."""
    _, state = model.apply(variables, images, mutable=["intermediates"])
    return {name: kept[-1] for name, kept in flatten_dict(state.get("intermediates", {}), sep="/").items()}


def _first_view(values: Array, batch: int) -> Array:
    """`[B·views, …]` to `[B, …]`."""
    return values.reshape(batch, -1, *values.shape[1:])[:, 0]


def _strength(maps: Array, batch: int) -> Array:
    """`[B·views, h, w, C]` to float32 `[B, h, w]`."""
    return jnp.abs(_first_view(maps, batch)).mean(axis=-1).astype(jnp.float32)


# What the command calls these pictures → the function, and the layer that a network needs for it.
PICTURES: dict[str, tuple[Callable[..., dict], type[nn.Module]]] = {
    "squeeze_excitation": (squeeze_excitation, SqueezeExcitation),
    "transformer": (transformer_views, SpatialTransformer),
    "regions": (region_weights, RegionAttention),
}
