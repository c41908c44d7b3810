"""ferjax's own recipe for vision transformers from scratch on the 4,200 embedded cartoons."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ml_collections import ConfigDict

from ferjax.recipes.build import toons

# What of `vit_tiny48` is trained on the toons, with labels and without: patches as large as a mouth.
TINY48_ON_TOONS = MappingProxyType({"patch": 8, "width": 128, "heads": 4, "depth": 4})


def from_scratch(
    config: ConfigDict, epochs: float, learning_rate: float, model: Mapping[str, Any], image_size: int = 64
) -> None:
    """Sets AdamW and one cycle for many epochs, with weights that begin as MAE's.

    Args:
        config: changed in place.
        epochs: passes over the training split.
        learning_rate: the cycle's peak.
        model: options of the network beside its initial weights.
        image_size: pixels, both sides.
    """
    options = {"initial": "mae", "drop_path": 0.0, **model}
    toons(config, epochs, learning_rate, image_size, optimizer="adamw", model=options)
