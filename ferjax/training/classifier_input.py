"""Finds what the classifier reads, where a head of a training method reads it, too."""

import flax.linen as nn

from ferjax.models.observed import classifier_of
from ferjax.training.stages import parameter_shapes


def classifier_input(model: nn.Module, image_shape: tuple[int, ...], needed_by: str) -> tuple[str, int]:
    """Returns the path of the last linear layer and how many numbers it reads; nothing is computed.

    Args:
        model: the network.
        image_shape: `(H, W, C)`.
        needed_by: the config field that needs it, for the message.

    Raises:
        UserError: the network does not end in a linear layer.
    """
    classifier = classifier_of(model, image_shape, needed_by)
    return classifier, parameter_shapes(model, image_shape)[f"{classifier}/kernel"][0]
