"""ConvNeXt-T: the embedded toons by default, a fine-tuning by layers with any other set.

    python -m ferjax.main --config=configs/convnext_tiny.py

A third of the width from scratch at 64×64 pixels; what a block adds begins whole and not at a millionth, for
there are few steps. 61 % of validation after 18 of the 24 epochs, while training is at 84 % (seed 0, 20
minutes on one core of an AMD EPYC, jax 0.10.2, 2026-12-01): it learns so few images by heart.
docs/networks.md has what else was tried.

    python -m ferjax torch-import convnext_tiny_22k_224.pth --model=convnext_tiny --head=new --out=CONVNEXT
    python -m ferjax.main --config=configs/convnext_tiny.py:rafdb --config.init.from=CONVNEXT

The recipe is ferjax's: FMAE's, with a smaller step between layers. ferjax has not run it: the images are
licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.fmae_2024 import fine_tuned


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "convnext_tiny", "layer_scale": 1e-6, "drop_path": 0.1},
        toons=partial(
            toons,
            epochs=24.0,
            learning_rate=2e-3,
            optimizer="adamw",
            model={"width": 32, "layer_scale": 1.0, "drop_path": 0.0},
        ),
        paper=partial(fine_tuned, layer_decay=0.8),
    )
