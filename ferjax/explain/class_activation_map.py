"""Class-activation maps: the contribution of each place to a logit, after an average and one linear layer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError
from ferjax.explain.layers import activation, image_hw, logits_from, spatial_layers
from ferjax.explain.projection import onto_images


def class_activation_map(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"], classes: Int[Array, " B"]
) -> Float[Array, "B H W"]:
    """Computes Σ_k w_kc A_k of the last spatial layer A, where logit_c = Σ_k w_kc · mean(A_k) + b_c.

    The function from A to the logits must be linear, as in a ResNet, which ends in global average pooling and
    one linear layer; transposing it gives the weights.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose logit is explained.

    Returns:
        float32 `[B, H, W]`, signed; before enlarging, a map's sum is the logit minus its bias.

    Raises:
        UserError: the network does not end in an average over places and one linear layer.

    References:
        Zhou et al., Learning deep features for discriminative localization, CVPR 2016, equation 2.
    """
    layers = spatial_layers(model, image_hw(images))
    name = type(model).__name__
    if not layers:
        raise UserError(
            f"{name} has no layer whose result has rows and columns, which class-activation maps show"
        )
    layer = list(layers)[-1]
    maps = activation(model, variables, images, layer)

    def tail(given: Array) -> Array:
        return logits_from(model, variables, images, layer, given)

    try:
        transposed = jax.linear_transpose(tail, maps)
        logits = jax.eval_shape(tail, maps)
        (weights,) = transposed(jax.nn.one_hot(classes, logits.shape[-1], dtype=logits.dtype))
    except Exception as error:  # each operation that cannot be transposed raises another exception
        raise UserError(
            f"class-activation maps need a network that ends in an average over places and one linear layer; "
            f"what {name} does after {layer} is not linear: take grad_cam"
        ) from error
    contributions = (weights.astype(jnp.float32) * maps.astype(jnp.float32)).sum(axis=-1)
    return onto_images(contributions, len(images), image_hw(images))
