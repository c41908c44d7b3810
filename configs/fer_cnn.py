"""A plain CNN, the baseline of the RAN + FaceNet2ExpNet proposal: the embedded toons by default.

    python -m ferjax.main --config=configs/fer_cnn.py

Expected: 95.7 % test accuracy (seed 0; 95 % interval 94.5 to 96.7) in 5 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22.

    python -m ferjax.main --config=configs/fer_cnn.py:affectnet8

The proposal's data set with 8 labels. It names the baseline (Uçar, 2017) and gives no recipe: all of this one
is ferjax's. ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from ml_collections import ConfigDict

from ferjax.recipes.build import build


def _toons(config: ConfigDict) -> None:
    config.model.dropout = 0.2
    config.data.image_size = 48
    config.train.update(batch_size=32, epochs=12.0)
    # Without normalisation SGD is slow to start.
    config.optimizer.update(name="adamw", weight_decay=1e-3)
    config.schedule.update(name="onecycle", learning_rate=1.5e-3)


def _photographs(config: ConfigDict) -> None:
    config.data.image_size = 48
    config.augment.update(flip=True, rotate=10.0, random_crop=0.1)
    config.train.update(batch_size=128, epochs=40.0)
    config.optimizer.update(name="sgd", momentum=0.9, nesterov=True, weight_decay=5e-4)
    config.schedule.update(name="onecycle", learning_rate=0.02)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "fer_cnn", "hidden": 256, "dropout": 0.5},
        toons=_toons,
        paper=_photographs,
    )
