"""VGG-19: the embedded toons by default, the recipe of Srivastav & Khare (2024) with `:fer2013`.

    python -m ferjax.main --config=configs/vgg19.py

Expected: 86.9 % test accuracy (seed 0; 95 % interval 85.1 to 88.6) in 6 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22; the recipe was changed until it passed 85 % there, see
docs/networks.md.

    python -m ferjax.main --config=configs/vgg19.py:fer2013 --config.init.from=vgg19-dcbb9e9d.pth

The paper's recipe, from torchvision's ImageNet weights, which you download yourself: ten epochs of the
classifier alone and 25 of the whole network. It claims 70.2 %; the best of its table is 70.02 %. With batch
normalisation: `:fer2013,model.name=vgg19_bn`. ferjax has not run it: the images are licensed, and nothing was
measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import build as recipes
from ferjax.recipes import srivastav_2024


def _toons(config: ConfigDict) -> None:
    recipes.toons(config, epochs=8.0, learning_rate=1e-3, optimizer="adamw")
    # Without normalisation so deep a net of random weights does not learn in a few epochs; a quarter as wide,
    # it sees sixteen times the pixels in the same time.
    config.model.update(name="vgg19_bn", width=16, pooled=1, hidden=128, dropout=0.2)


def get_config(argument: str = "") -> ConfigDict:
    return recipes.build(
        argument,
        model={"name": "vgg19", "width": 64, "pooled": 7, "hidden": 4096, "dropout": 0.5},
        toons=_toons,
        # From fc3 to conv1_1 the rate falls to a hundredth.
        paper=partial(srivastav_2024.paper, body=r"^(conv|bn)", depth_decay=0.77),
    )
