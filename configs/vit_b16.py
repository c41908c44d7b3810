"""A vision transformer B/16: the embedded toons by default, FMAE's fine-tuning with any other set.

    python -m ferjax.main --config=configs/vit_b16.py

Two of its blocks from scratch at 64×64 pixels, to try it out. Not measured yet.

    python -m ferjax torch-import mae_pretrain_vit_base.pth --model=vit_b16 --head=new --out=MAE
    python -m ferjax.main --config=configs/vit_b16.py:rafdb --config.init.from=MAE

The recipe is that of Ning et al. (2024), see `configs/vit_s16.py`. ferjax has not run it: the images are
licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.fmae_2024 import fine_tuned
from ferjax.recipes.transformer_from_scratch import SMALLER, from_scratch


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "vit_b16", "pool": "mean", "drop_path": 0.1},
        toons=partial(from_scratch, epochs=20.0, learning_rate=3e-4),
        paper=fine_tuned,
        on_toons=SMALLER["vit_b16"],
    )
