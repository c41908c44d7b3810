"""Class-activation maps: the contribution of each place to a logit, after an average and one linear layer."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float, Int

from ferjax.explain.layers import image_hw
from ferjax.explain.projection import onto_images
from ferjax.models import class_maps
from ferjax.models.observed import observed


def class_activation_map(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"], classes: Int[Array, " B"]
) -> Float[Array, "B H W"]:
    """Computes Σ_k w_kc A_k of the maps A that are averaged last, where logit_c = Σ_k w_kc · mean(A_k) + b_c.

    The function from A to the logits must be linear, as in a ResNet, which ends in global average pooling and
    one linear layer.

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
    height, width = image_hw(images)
    shape = (height, width, 3)
    class_maps.check_fits(model, shape, "a class-activation map", instead="take grad_cam")
    maps = observed(model.apply, maps=True)(variables, images)[1].maps
    weights = class_maps.class_weights(model, variables, shape, maps.dtype).astype("float32")
    places = maps.shape[1] * maps.shape[2]
    contributions = (maps.astype("float32") * weights.T[classes][:, None, None, :]).sum(axis=-1) / places
    return onto_images(contributions, len(images), (height, width))
