"""Masked auto-encoding of a vision transformer S/16: the embedded toons by default, FMAE's recipe otherwise.

    python -m ferjax.main --config=configs/mae_vit_s16.py

Four blocks at 64×64 pixels, which see four of 16 patches: it shows that the parts work. Not measured.

    python -m ferjax.main --config=configs/mae_vit_s16.py:folder,data.dir=SETS --workdir=MAE
    python -m ferjax.main --config=configs/vit_s16.py:rafdb --config.init.from=MAE

Labels of the set are not looked at. Ning et al. (2024) pre-train a larger network (L/16) on nine million
faces. ferjax has not run it: nothing was measured on a GPU. See docs/pretraining.md.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.mae_2022 import pretrained, small
from ferjax.recipes.transformer_from_scratch import SMALLER


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "vit_s16", "pool": "mean"},
        toons=partial(small, batch_size=64, epochs=10.0, image_size=64),
        paper=pretrained,
        on_toons=SMALLER["vit_s16"],
    )
