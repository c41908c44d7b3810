"""Reads what a network's attention layers computed for each image and kept by `flax.linen.Module.sow`."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float

from ferjax.explain.layers import image_hw, layers_of
from ferjax.layers.regions import RegionAttention
from ferjax.layers.spatial_transformer import SpatialTransformer
from ferjax.layers.squeeze_excitation import SqueezeExcitation


def squeeze_excitation(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"]
) -> dict[str, dict[str, Array]]:
    """Reads the channel weights and feature maps of every SE block, in the order of the network.

    If the network sees several views of an image, those of the first view, the whole image, are taken.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.

    Returns:
        Block → `weights` float32 `[B, C]` in (0, 1), and `before` and `after` float32 `[B, h, w]`: the mean
        over the channels of the absolute values before and after the block. Empty without such a block.

    References:
        Huang et al., 2023, figures 9 and 10; Hu et al., Squeeze-and-excitation networks, 2018.
    """
    feature_maps: dict[str, dict[str, Array]] = {}

    def record(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        out = call(*arguments, **keywords)
        if isinstance(context.module, SqueezeExcitation) and context.method_name == "__call__":
            maps = {"before": _strength(arguments[0], len(images)), "after": _strength(out, len(images))}
            feature_maps["/".join(context.module.path)] = maps
        return out

    with nn.intercept_methods(record):
        sown = _sown(model, variables, images)
    return {
        block: {"weights": _first_view(sown[f"{block}/weights"], len(images)).astype(jnp.float32), **maps}
        for block, maps in feature_maps.items()
    }


def transformer_views(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"]
) -> dict[str, dict[str, Array]]:
    """Reads the frame and the sampled view of every spatial transformer, in the order of the network.

    Args: see `squeeze_excitation`.

    Returns:
        Transformer → `theta` float32 `[B, 2, 3]`, see `ferjax.layers.spatial_transformer.affine_sample`, and
        `view` float32 `[B, h, w]`, the mean over the channels of what it sampled. Empty without such a layer.

    References:
        Khan et al., 2023, section 3.1; Jaderberg et al., 2015.
    """
    sown = _sown(model, variables, images)
    return {
        name: {
            "theta": sown[f"{name}/theta"].astype(jnp.float32),
            "view": sown[f"{name}/view"].mean(axis=-1).astype(jnp.float32),
        }
        for name in layers_of(model, image_hw(images), SpatialTransformer)
    }


def region_weights(model: nn.Module, variables: Any, images: Float[Array, "B H W 3"]) -> dict[str, Array]:
    """Reads how RAN weighs the regions of each image.

    Args: see `squeeze_excitation`.

    Returns:
        `self_attention` μ and `relation_attention` ν in (0, 1), and `weights`, the shares μν / Σ μν, each
        float32 `[B, 7]` in the order of `ferjax.layers.regions.REGIONS`. Empty in other networks.

    References:
        Wang et al., 2020; the RAN + FaceNet2ExpNet proposal.
    """
    names = layers_of(model, image_hw(images), RegionAttention)
    if not names:
        return {}
    sown = _sown(model, variables, images)
    kinds = ("self_attention", "relation_attention", "weights")
    return {kind: sown[f"{names[0]}/{kind}"].astype(jnp.float32) for kind in kinds}


def _sown(model: nn.Module, variables: Any, images: Float[Array, "B H W 3"]) -> dict[str, Array]:
    """Runs the network; returns path → the value that was sown there last."""
    _, state = model.apply(variables, images, mutable=["intermediates"])
    sown: Any = flatten_dict(state.get("intermediates", {}), sep="/")
    return {name: values[-1] for name, values in sown.items()}


def _first_view(values: Float[Array, "BV ..."], batch: int) -> Float[Array, "{batch} ..."]:
    """Keeps the first view of each image: `[B·views, …]` to `[B, …]`."""
    return values.reshape(batch, -1, *values.shape[1:])[:, 0]


def _strength(maps: Float[Array, "BV h w C"], batch: int) -> Float[Array, "{batch} h w"]:
    """Averages the absolute values over the channels, for the first view of each image, float32."""
    return jnp.abs(_first_view(maps, batch)).mean(axis=-1).astype(jnp.float32)


# Name in the command's --methods → the function, and the layer that a network needs for it.
PICTURES: dict[str, tuple[Callable[..., dict], type[nn.Module]]] = {
    "squeeze_excitation": (squeeze_excitation, SqueezeExcitation),
    "transformer": (transformer_views, SpatialTransformer),
    "regions": (region_weights, RegionAttention),
}
