"""DAN: the embedded toons by default, Wen et al. (2023) with `:rafdb` or `:affectnet7`.

    python -m ferjax.main --config=configs/dan.py

Expected: 87.4 % test accuracy (seed 0; 95 % interval 85.6 to 89.1) from scratch at 64×64 pixels, in 9 minutes
on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-12-01.

    python -m ferjax torch-import DAN.pth --model=dan --head=new --image_size=224 --out=DAN
    python -m ferjax.main --config=configs/dan.py:rafdb --config.init.from=DAN

The paper's recipe; it claims 89.70 % on RAF-DB, 65.69 % on AffectNet with seven and 62.09 % with eight
classes. The authors begin with a ResNet-18 that was trained on faces (`--config.init.into=features` puts an
imported `resnet18` there). ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import attention_heads
from ferjax.recipes.build import build, toons


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "dan", "affinity": 1.0, "partition": 1.0},
        toons=partial(toons, epochs=6.0, learning_rate=1e-3, optimizer="adamw"),
        paper=partial(attention_heads.paper, image_size=224, rotate=4.0, translate=0.03, learning_rate=0.1),
    )
