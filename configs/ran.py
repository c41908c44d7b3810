"""Region Attention Network on a ResNet-18: embedded toons by default, `:affectnet8` as in the proposal.

    python -m ferjax.main --config=configs/ran.py

Not trained to its end yet, so no accuracy is promised.
Images have 48×48 pixels because each is seen seven times.

    python -m ferjax torch-import resnet18-f37072fd.pth --model=resnet18 --head=new --out=RESNET18
    python -m ferjax.main --config=configs/ran.py:affectnet8 --config.init.from=RESNET18

Fine-tunes a trained backbone (ImageNet's, or better one of faces) at 224×224. The proposal states the
network, its loss and the 8 labels; the rest of the recipe is ferjax's. ferjax has not run it: the images are
licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import proposal
from ferjax.recipes.build import build, toons


def _photographs(config: ConfigDict) -> None:
    config.init.into = "backbone"
    proposal.fine_tuned(config, image_size=224)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "ran", "backbone": "resnet18", "alpha": 0.02},
        toons=partial(toons, epochs=1.0, learning_rate=0.01),
        paper=_photographs,
    )
