"""EfficientNet-B0: the embedded toons by default, HSEmotion's fine-tuning with any other set.

    python -m ferjax.main --config=configs/efficientnet_b0.py

Expected: 86.0 % test accuracy (seed 0; 95 % interval 84.1 to 87.7) from scratch at 64×64 pixels, in 11
minutes on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-12-01.

    python -m ferjax torch-import WEIGHTS.pth --model=efficientnet_b0 --head=new --out=FACES
    python -m ferjax.main --config=configs/efficientnet_b0.py:affectnet8 --config.init.from=FACES

The recipe of Savchenko (2022), from weights that tell people apart, with two gradients for each step.
ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.hsemotion_2022 import fine_tuned


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "efficientnet_b0", "dropout": 0.0},
        toons=partial(toons, epochs=10.0, learning_rate=2e-3, optimizer="adamw", model={"dropout": 0.2}),
        paper=partial(fine_tuned, image_size=224),
    )
