"""A vision transformer S/16: the embedded toons by default, FMAE's fine-tuning with any other set.

    python -m ferjax.main --config=configs/vit_s16.py

Four of its blocks from scratch at 64×64 pixels. Not measured yet; docs/networks.md has what a smaller one
gave.

    python -m ferjax torch-import WEIGHTS.pth --model=vit_s16 --head=new --out=VIT
    python -m ferjax.main --config=configs/vit_s16.py:rafdb --config.init.from=VIT

Ning et al. (2024) fine-tune a larger one (L/16), pre-trained on faces, and claim 93.09 % on RAF-DB. ferjax
has not run it: the images are licensed, and nothing was measured on a GPU. docs/networks.md lists the files
that torch-import reads and the options that they need.

    python -m ferjax.main --config=configs/vit_s16.py:rafdb,recipe=probe --config.init.from=VIT

A linear classifier on the frozen network. configs/mae_vit_s16.py pre-trains without labels.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build
from ferjax.recipes.fmae_2024 import fine_tuned
from ferjax.recipes.mae_2022 import probed
from ferjax.recipes.transformer_from_scratch import SMALLER, from_scratch


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "vit_s16", "pool": "mean", "drop_path": 0.1},
        toons=partial(from_scratch, epochs=30.0, learning_rate=5e-4),
        paper=fine_tuned,
        everywhere={"probe": partial(probed, image_size=224)},
        on_toons=SMALLER["vit_s16"],
    )
