"""Recipes for RAN, FaceNet and FaceNet2ExpNet.

The RAN + FaceNet2ExpNet proposal names networks, labels (`affectnet8`) and scores, but no image size,
optimizer, rate or length: those below are ferjax's.
"""

from typing import Any

from ml_collections import ConfigDict

from ferjax import config as ferjax_config

# The first stage of FaceNet2ExpNet trains the expression net's convolutions and nothing else.
ALL_BUT_CONVOLUTIONS = r"^(?!expression_net/)"
FACE_NET = r"^face_net/"


def fine_tuned(config: ConfigDict, image_size: int, learning_rate: float = 0.01) -> None:
    """Fine-tunes trained weights by SGD: 40 epochs, a tenth of the rate every 15.

    Args:
        config: changed in place.
        image_size: pixels, both sides, of what the network takes.
        learning_rate: the first one.
    """
    config.data.image_size = image_size
    config.augment.update(flip=True, rotate=10.0, random_crop=0.1)
    config.train.update(batch_size=64, epochs=40.0)
    config.optimizer.update(name="sgd", momentum=0.9, weight_decay=1e-4)
    config.schedule.update(name="step", every_epochs=15.0, factor=0.1, learning_rate=learning_rate)


def two_stages(
    config: ConfigDict, epochs: tuple[float, float], learning_rates: tuple[float, float], then: str = ""
) -> None:
    """Trains FaceNet2ExpNet in two stages of AdamW, each one cycle of the learning rate.

    First the expression net's convolutions learn the frozen face net's features, without cross entropy; then
    everything but the face net is trained with cross entropy. The gradients of the two losses differ a
    thousandfold, so a step must not depend on their size.

    Args:
        config: changed in place.
        epochs: of the two stages.
        learning_rates: their peaks.
        then: the auxiliary loss of the second stage, a pattern; empty: none.
    """
    first = {"epochs": epochs[0], "learning_rate": learning_rates[0], "freeze": ALL_BUT_CONVOLUTIONS}
    matching = {"cross_entropy": 0.0, "auxiliary_losses": "face_features"}
    _adamw(config, first | matching, _second(epochs[1], learning_rates[1], then))


def second_stage(config: ConfigDict, epochs: float, learning_rate: float, then: str) -> None:
    """Trains the second of `two_stages` alone, for an expression net trained elsewhere in the first."""
    _adamw(config, _second(epochs, learning_rate, then))


def _second(epochs: float, learning_rate: float, then: str) -> dict[str, Any]:
    losses = {"auxiliary": 1.0 if then else 0.0, "auxiliary_losses": then}
    return {"epochs": epochs, "learning_rate": learning_rate, "freeze": FACE_NET, **losses}


def _adamw(config: ConfigDict, *stages: dict[str, Any]) -> None:
    config.optimizer.update(name="adamw", weight_decay=0.01)
    config.schedule.name = "onecycle"
    ferjax_config.set_stages(config, *stages)


def two_stages_on_photographs(config: ConfigDict, image_size: int, then: str = "") -> None:
    """Trains as `two_stages` does, on photographs with a face net that has published weights.

    Args:
        config: changed in place.
        image_size: pixels, both sides.
        then: see `two_stages`.
    """
    config.data.image_size = image_size
    config.model.fixed_standardisation = True
    config.init.into = "face_net"
    config.augment.update(flip=True, rotate=10.0, random_crop=0.1)
    config.train.batch_size = 64
    two_stages(config, epochs=(20.0, 20.0), learning_rates=(1e-3, 1e-3), then=then)
