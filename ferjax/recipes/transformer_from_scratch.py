"""ferjax's own recipe for vision transformers from scratch on the 4,200 embedded cartoons."""

from collections.abc import Mapping
from types import MappingProxyType

from ml_collections import ConfigDict

from ferjax.recipes.build import toons

# Options of the networks on the toons, with labels and without: fewer blocks, patches as large as a mouth.
SMALLER: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "vit_tiny48": {"patch": 8, "width": 128, "heads": 4, "depth": 4},
        "vit_s16": {"depth": 4},
        "vit_b16": {"depth": 2},
    }
)


def from_scratch(config: ConfigDict, epochs: float, learning_rate: float, image_size: int = 64) -> None:
    """Sets AdamW and one cycle for many epochs, with weights that begin as MAE's.

    Args:
        config: changed in place.
        epochs: passes over the training split.
        learning_rate: the cycle's peak.
        image_size: pixels, both sides.
    """
    options = {"initial": "mae", "drop_path": 0.0}
    toons(config, epochs, learning_rate, image_size, optimizer="adamw", model=options)
