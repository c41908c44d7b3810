"""A small residual network of ferjax's own for 48×48 faces: the embedded toons by default.

    python -m ferjax.main --config=configs/small_resnet.py

    python -m ferjax.main --config=configs/small_resnet.py:fer2013

ferjax's own recipe for photographs, see `ferjax/recipes/strong.py`: 40 epochs of random crops of 40×40,
without copies of scored images.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.strong import strong


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "small_resnet", "dropout": 0.2},
        toons=partial(toons, epochs=8.0, learning_rate=0.05),
        paper=strong,
    )
