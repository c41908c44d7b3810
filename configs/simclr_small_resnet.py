"""Contrastive learning without labels by a small residual network: the embedded toons by default.

    python -m ferjax.main --config=configs/simclr_small_resnet.py --workdir=SIMCLR
    python -m ferjax.main --config=configs/small_resnet.py:toons,data.image_size=48 --config.init.from=SIMCLR

Labels are not looked at; the second command trains the same network with them. See docs/pretraining.md.

    python -m ferjax.main --config=configs/simclr_small_resnet.py:fer2013 --workdir=SIMCLR

On photographs; copies of scored images are left out. Not measured.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.simclr_2020 import contrastive


def _photographs(config: ConfigDict) -> None:
    contrastive(config, batch_size=256, epochs=100.0)
    config.data.update(drop_leaks=True, drop_validation_leaks=True)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "small_resnet", "dropout": 0.0},
        toons=partial(contrastive, batch_size=128, epochs=40.0),
        paper=_photographs,
    )
