"""IR-50, the trunk of POSTER++: the embedded toons by default, POSTER++'s recipe with `:rafdb`.

    python -m ferjax.main --config=configs/ir50.py

A network of 18 layers from scratch at 48×48 pixels. Expected: 93.6 % test accuracy (seed 0; 95 % interval
92.2 to 94.7) in 31 minutes on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-12-01.

    python -m ferjax torch-import IR50.pth --model=ir50 --head=new --out=IR50
    python -m ferjax.main --config=configs/ir50.py:rafdb --config.init.from=IR50

Begins with a network of face recognition. No paper trains this trunk alone; the recipe is that of Mao et al.
(2025) for the whole. ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.mao_2025 import fine_tuned

SMALL = {"depth": 18, "resized": 48}


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "ir50", "depth": 50, "resized": 112},
        toons=partial(toons, epochs=9.0, learning_rate=1e-3, image_size=48, optimizer="adamw", model=SMALL),
        paper=fine_tuned,
    )
