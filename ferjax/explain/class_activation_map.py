"""Class-activation maps: what each place adds to a logit, in networks that only average and add up."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ferjax.errors import UserError
from ferjax.explain.layers import activation, logits_from, spatial_layers
from ferjax.explain.projection import onto_images


def class_activation_map(model: nn.Module, variables: Any, images: Array, classes: Array) -> Array:
    """Σ_k w_kc A_k of the last spatial layer A, where logit_c = Σ_k w_kc · mean(A_k) + b_c.

    The weights are found by transposing the function from A to the logits, which must be linear: a network
    that ends in global average pooling and one linear layer, as a ResNet does.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, whose logit is explained.

    Returns:
        float32 `[B, H, W]`, signed; before it is enlarged, a map's sum is the logit less its bias.

    Raises:
        UserError: the network goes on after the average with more than a linear layer, or has no average.

    References:
        Zhou et al., Learning deep features for discriminative localization, CVPR 2016, equation 2.
    """
    layers = spatial_layers(model, images.shape[1:3])
    name = type(model).__name__
    if not layers:
        raise UserError(f"{name} has no layer with places, which class-activation maps show")
    layer = list(layers)[-1]
    maps = activation(model, variables, images, layer)

    def tail(given: Array) -> Array:
        return logits_from(model, variables, images, layer, given)

    try:
        transposed = jax.linear_transpose(tail, maps)
        (weights,) = transposed(
            jax.nn.one_hot(classes, model.num_classes, dtype=jax.eval_shape(tail, maps).dtype)
        )
    except Exception as error:  # each operation refuses to be transposed in its own way
        raise UserError(
            f"class-activation maps need a network that ends in an average over places and one linear layer; "
            f"what {name} does after {layer} is not linear: take grad_cam"
        ) from error
    contributions = (weights.astype(jnp.float32) * maps.astype(jnp.float32)).sum(axis=-1)
    return onto_images(contributions, len(images), images.shape[1:3])
