"""ferjax's own recipe for vision transformers from scratch on the 4,200 embedded cartoons."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from ferjax.recipes.build import toons


def from_scratch(
    config: ConfigDict, epochs: float, learning_rate: float, model: Mapping[str, Any], image_size: int = 64
) -> None:
    """Sets AdamW and one cycle for many epochs, with weights that begin as MAE's and changed images.

    A transformer learns so few images by heart: colours, which tell nothing about an expression, are turned
    and taken away, and faces are moved a little.

    Args:
        config: changed in place.
        epochs: passes over the training split.
        learning_rate: the cycle's peak.
        model: options of the network beside its initial weights.
        image_size: pixels, both sides.
    """
    options = {"initial": "mae", "drop_path": 0.0, **model}
    toons(config, epochs, learning_rate, image_size, optimizer="adamw", model=options)
    config.augment.update(
        hue=0.5, grey=0.3, brightness=0.3, contrast=0.3, translate=0.06, rotate=6.0, scale=0.06
    )
