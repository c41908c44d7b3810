"""ResNet-50: the embedded toons by default, the recipe of Srivastav & Khare (2024) with `:fer2013`.

    python -m ferjax.main --config=configs/resnet50.py

Expected: 92.0 % test accuracy (seed 0; 95 % interval 90.5 to 93.3) in 8 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22; the recipe was changed until it passed 85 % there, see
docs/networks.md.

    python -m ferjax.main --config=configs/resnet50.py:fer2013 --config.init.from=resnet50-0676ba61.pth

The paper's recipe, from torchvision's ImageNet weights, which you download yourself: ten epochs of the
classifier alone and 25 of the whole network. The paper's tables are of VGG-19, which it says reaches 70.2 %.
ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import srivastav_2024
from ferjax.recipes.build import build, toons


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "resnet50"},
        toons=partial(
            toons, epochs=6.0, learning_rate=1e-3, optimizer="adamw", model={"zero_init_residual": True}
        ),
        # From fc to conv1 the rate falls to a hundredth.
        paper=partial(srivastav_2024.paper, body=r"^(conv1|bn1|layer)", depth_decay=0.76),
    )
