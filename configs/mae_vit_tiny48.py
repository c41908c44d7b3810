"""Masked auto-encoding of a small vision transformer at 48×48 pixels: the embedded toons by default.

    python -m ferjax.main --config=configs/mae_vit_tiny48.py --workdir=MAE
    python -m ferjax.main --config=configs/vit_tiny48.py --config.init.from=MAE
    python -m ferjax.main --config=configs/vit_tiny48.py:toons,recipe=probe --config.init.from=MAE

Labels are not looked at; the second command fine-tunes, the third trains a linear classifier on what was
learnt. See docs/pretraining.md.

    python -m ferjax.main --config=configs/mae_vit_tiny48.py:fer2013 --workdir=MAE

On photographs by a recipe of ferjax's own; copies of scored images are left out. What a short run of it
brings is in docs/pretraining.md; its 200 epochs have not been run.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.mae_2022 import small
from ferjax.recipes.transformer_from_scratch import SMALLER


def _photographs(config: ConfigDict) -> None:
    small(config, batch_size=256, epochs=200.0)
    config.data.update(drop_leaks=True, drop_validation_leaks=True)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "vit_tiny48", "pool": "mean"},
        toons=partial(small, batch_size=64, epochs=40.0),
        paper=_photographs,
        on_toons=SMALLER["vit_tiny48"],
    )
