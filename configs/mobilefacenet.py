"""MobileFaceNet: the embedded toons by default, POSTER++'s recipe at 112×112 with `:rafdb`.

    python -m ferjax.main --config=configs/mobilefacenet.py

Expected: 92.3 % test accuracy (seed 0; 95 % interval 90.8 to 93.6) from scratch at 64×64 pixels, in 16
minutes on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-12-01.

    python -m ferjax torch-import MFN.pth.tar --model=mobilefacenet --head=new --image_size=112 --out=MFN
    python -m ferjax.main --config=configs/mobilefacenet.py:rafdb --config.init.from=MFN

Begins with the landmark network of POSTER++. No paper trains it alone; the recipe is that of Mao et al.
(2025) for the whole. ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.mao_2025 import fine_tuned


def _paper(config: ConfigDict) -> None:
    fine_tuned(config)
    config.data.image_size = 112


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "mobilefacenet"},
        toons=partial(toons, epochs=10.0, learning_rate=2e-3, optimizer="adamw"),
        paper=_paper,
    )
