"""Attention rollout: which patches of an image reach what a vision transformer's classifier reads."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError
from ferjax.explain.layers import image_hw, layers_of
from ferjax.explain.projection import onto_images
from ferjax.layers.attention import SelfAttention

PATCHES, READ = "patches", "read"  # what the network sows of its tokens, see `ferjax.models.vit`


def attention_rollout(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"], classes: Int[Array, " B"]
) -> Float[Array, "B H W"]:
    """Multiplies the attention of all layers, each with its shortcut.

    A layer's tokens come half from themselves and half from where it looks, on the average of its heads:
    (W + I) / 2. The product over the layers says how much of each first token is in each last one; the map
    is what is in the tokens that the classifier reads, the class token or the mean of the patches'.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`; the map is the same for every class.

    Returns:
        float32 `[B, H, W]`, at least 0; before enlarging, a map's sum is 1 less what comes from tokens that
        are no patches.

    Raises:
        UserError: the network has no layers of self-attention between patches.

    References:
        Abnar & Zuidema, Quantifying attention flow in transformers, ACL 2020, section 3.
    """
    del classes
    layers = layers_of(model, image_hw(images), SelfAttention)
    _, state = model.apply(variables, images, mutable=["intermediates"])
    sown: Any = flatten_dict(state.get("intermediates", {}), sep="/")
    if not layers or PATCHES not in sown or READ not in sown:
        raise UserError(
            f"{type(model).__name__} has no self-attention between an image's patches, which "
            "attention_rollout shows: take grad_cam or occlusion"
        )
    tokens = jnp.broadcast_to(sown[READ][-1], (len(images), sown[READ][-1].shape[0]))
    for layer in reversed(layers):
        weights = sown[f"{layer}/weights"][-1].mean(axis=1).astype(jnp.float32)
        tokens = (jnp.einsum("bi,bij->bj", tokens, weights) + tokens) / 2
    return onto_images(tokens[:, sown[PATCHES][-1]], len(images), image_hw(images))
