"""Grad-CAM, Grad-CAM++ and HiResCAM: a layer's channels, weighted by the gradient of a class's logit."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.explain.layers import activation, check_layer, class_scores, image_hw, logits_from
from ferjax.explain.projection import onto_images

TINY = 1e-12  # keeps a division by zero defined


def grad_cam(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    layer: str | None = None,
) -> Float[Array, "B H W"]:
    """Computes ReLU(Σ_k α_k A_k), α_k the mean over places of ∂logit/∂A_k.

    Args:
        model: the network.
        variables: its `{"params", "batch_stats"}`.
        images: normalised float `[B, H, W, 3]`.
        classes: int32 `[B]`, the class whose logit is explained.
        layer: the name of layer A, see `ferjax.explain.layers`; `default_layer` if None.

    Returns:
        float32 `[B, H, W]`, at least 0, in units of the logit times the number of places.

    Raises:
        UserError: the network has no such layer.

    References:
        Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.
    """
    maps, gradients = _activation_and_gradient(model, variables, images, classes, layer)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return _weighted(maps, weights, images)


def grad_cam_plus_plus(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    layer: str | None = None,
) -> Float[Array, "B H W"]:
    """Computes ReLU(Σ_k w_k A_k), w_k = Σ_places α · ReLU(g), α = g² / (2 g² + Σ_places A g³), g = ∂logit/∂A.

    The explained score is exp(logit), as in the paper, so that higher derivatives are powers of g. The factor
    exp(logit), the same for a whole map, is left out.

    Args, Returns, Raises: see `grad_cam`.

    References:
        Chattopadhay et al., Grad-CAM++, WACV 2018, equations 10, 11 and 19.
    """
    maps, gradients = _activation_and_gradient(model, variables, images, classes, layer)
    # Only ratios of gradients enter α: powers of tiny ones would vanish in float32.
    largest = jnp.abs(gradients).max(axis=(1, 2, 3), keepdims=True)
    gradients = gradients / jnp.maximum(largest, TINY)
    below = 2 * gradients**2 + (maps * gradients**3).sum(axis=(1, 2), keepdims=True) * largest
    alpha = gradients**2 / jnp.where(jnp.abs(below) > TINY, below, 1.0)
    weights = (alpha * nn.relu(gradients)).sum(axis=(1, 2), keepdims=True) * largest
    return _weighted(maps, weights, images)


def hires_cam(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    *,
    layer: str | None = None,
) -> Float[Array, "B H W"]:
    """Computes ReLU(Σ_k ∂logit/∂A_k · A_k), place by place.

    Grad-CAM's mean over places assumes that a global average follows the layer. If convolutions follow, as in
    ResEmoteNet, the places of a channel have different gradients, even with different signs; this map keeps
    them.

    Args, Returns, Raises: see `grad_cam`.

    References:
        Draelos & Carin, Use HiResCAM instead of Grad-CAM for faithful explanations, 2020, equation 3.
    """
    maps, gradients = _activation_and_gradient(model, variables, images, classes, layer)
    return _weighted(maps, gradients, images)


def _activation_and_gradient(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    classes: Int[Array, " B"],
    layer: str | None,
) -> tuple[Float[Array, "BV h w C"], Float[Array, "BV h w C"]]:
    """Computes A and ∂logit/∂A, float32; BV is B, times the views if the network sees several of an image."""
    layer = check_layer(model, image_hw(images), layer)

    def score(given: Array) -> Array:
        return class_scores(logits_from(model, variables, images, layer, given), classes).sum()

    maps = activation(model, variables, images, layer)
    return maps.astype(jnp.float32), jax.grad(score)(maps).astype(jnp.float32)


def _weighted(
    maps: Float[Array, "BV h w C"], weights: Float[Array, " BV #h #w C"], images: Float[Array, "B H W 3"]
) -> Float[Array, "B H W"]:
    """Sums the weighted channels, drops negative values, and enlarges the maps to the images' size."""
    return onto_images(nn.relu((weights * maps).sum(axis=-1)), len(images), image_hw(images))
