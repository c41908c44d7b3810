"""VGG-16: the embedded toons by default, the recipe of Srivastav & Khare (2024) with `:fer2013`.

    python -m ferjax.main --config=configs/vgg16.py

Expected: 92.5 % test accuracy (seed 0; 95 % interval 91.0 to 93.8) in 4 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22; the recipe was changed until it passed 85 % there, see
docs/networks.md.

    python -m ferjax.main --config=configs/vgg16.py:fer2013 --config.init.from=vgg16-397923af.pth

The paper's recipe, from torchvision's ImageNet weights, which you download yourself: ten epochs of the
classifier alone and 25 of the whole network. The paper's tables are of VGG-19, which it says reaches 70.2 %.
With batch normalisation: `:fer2013,model.name=vgg16_bn`. ferjax has not run it: the images are licensed, and
nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import build as recipes
from ferjax.recipes import srivastav_2024


def _toons(config: ConfigDict) -> None:
    recipes.toons(config, epochs=8.0, learning_rate=1e-3, optimizer="adamw")
    # Without normalisation so deep a net of random weights does not learn in a few epochs; a quarter as wide,
    # it sees sixteen times the pixels in the same time.
    config.model.update(name="vgg16_bn", width=16, pooled=1, hidden=128, dropout=0.2)


def get_config(argument: str = "") -> ConfigDict:
    return recipes.build(
        argument,
        model={"name": "vgg16", "width": 64, "pooled": 7, "hidden": 4096, "dropout": 0.5},
        toons=_toons,
        # From fc3 to conv1_1 the rate falls to a hundredth.
        paper=partial(srivastav_2024.paper, body=r"^(conv|bn)", depth_decay=0.74),
    )
