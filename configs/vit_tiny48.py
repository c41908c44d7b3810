"""A small vision transformer for faces of 48×48 pixels: the embedded toons by default.

    python -m ferjax.main --config=configs/vit_tiny48.py

A smaller one from scratch, patches of 8×8, width 128, four blocks: 66 % of validation in twice as many epochs
(seed 0, 13 minutes on one core of an AMD EPYC, jax 0.10.2, 2026-12-01), while training is at 96 %: it learns
so few images by heart. docs/networks.md has what else was tried.

    python -m ferjax.main --config=configs/vit_tiny48.py:fer2013

From scratch on photographs by a recipe of ferjax's own, with its honest protocol: copies of scored images are
left out, and what choosing on test would give is told. Not measured yet.

    python -m ferjax.main --config=configs/vit_tiny48.py:toons,recipe=probe --config.init.from=MAE

A linear classifier alone, on what configs/mae_vit_tiny48.py has learnt without labels.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.mae_2022 import probed
from ferjax.recipes.transformer_from_scratch import SMALLER, from_scratch


def _photographs(config: ConfigDict) -> None:
    config.data.update(image_size=48, drop_leaks=True, drop_validation_leaks=True)
    config.augment.update(
        flip=True, rotate=15.0, translate=0.1, scale=0.1, brightness=0.2, contrast=0.2, erase=0.25
    )
    config.loss.label_smoothing = 0.1
    config.train.update(batch_size=128, epochs=80.0)
    config.optimizer.update(name="adamw", weight_decay=0.05, decay_vectors=False, clip_norm=1.0)
    config.optimizer.ema_decay = 0.998
    config.schedule.update(name="cosine", learning_rate=1e-3, warmup_epochs=5.0)
    config.eval.update(batch_size=256, every_epochs=4.0, crops="flip", also_best_on_test=True)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "vit_tiny48", "pool": "mean", "drop_path": 0.1},
        toons=partial(
            from_scratch,
            epochs=30.0,
            learning_rate=1e-3,
            image_size=48,
        ),
        paper=_photographs,
        everywhere={"probe": partial(probed, image_size=48, batch_size=64, epochs=30.0)},
        on_toons=SMALLER["vit_tiny48"],
    )
