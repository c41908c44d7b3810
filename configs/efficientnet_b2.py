"""EfficientNet-B2: the embedded toons by default, HSEmotion's fine-tuning with any other set.

    python -m ferjax.main --config=configs/efficientnet_b2.py

From scratch at 64×64 pixels. Not measured yet.

    python -m ferjax torch-import WEIGHTS.pth --model=efficientnet_b2 --head=new --out=FACES
    python -m ferjax.main --config=configs/efficientnet_b2.py:affectnet8 --config.init.from=FACES

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
        model={"name": "efficientnet_b2", "dropout": 0.0},
        toons=partial(toons, epochs=10.0, learning_rate=2e-3, optimizer="adamw", model={"dropout": 0.2}),
        paper=partial(fine_tuned, image_size=260),
    )
