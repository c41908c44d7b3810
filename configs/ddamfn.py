"""DDAMFN: the embedded toons by default, Zhang et al. (2023) with `:rafdb` or `:affectnet7`.

    python -m ferjax.main --config=configs/ddamfn.py

From scratch at 64×64 pixels. Not measured yet.

    python -m ferjax torch-import DDAMFN.pth --model=ddamfn --head=new --image_size=112 --out=DDAMFN
    python -m ferjax.main --config=configs/ddamfn.py:rafdb --config.init.from=DDAMFN

The paper's recipe; it claims 91.35 % on RAF-DB, 67.03 % on AffectNet with seven and 64.25 % with eight
classes. The authors begin with weights of face recognition. ferjax has not run it: the images are licensed,
and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons


def _paper(config: ConfigDict) -> None:
    config.data.image_size = 112
    # The authors rotate by up to 5° and shift by up to 8 pixels, but one image in five; here every image is
    # moved, by as much on average.
    config.augment.update(flip=True, rotate=1.0, translate=0.015, erase=0.5)
    if config.data.name.startswith("affectnet"):
        config.data.balance = "oversample"
        config.train.update(batch_size=256, epochs=10.0)
        config.optimizer.update(name="adamw", weight_decay=0.0)
        config.schedule.update(name="step", learning_rate=1e-4, factor=0.6, every_epochs=1.0)
    else:
        config.train.update(batch_size=256, epochs=40.0)
        config.optimizer.update(name="sgd", momentum=0.9, weight_decay=1e-4)
        config.schedule.update(name="step", learning_rate=0.01, factor=0.1, every_epochs=10.0)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "ddamfn", "heads": 2, "diversity": 0.1},
        toons=partial(toons, epochs=6.0, learning_rate=2e-3, optimizer="adamw"),
        paper=_paper,
    )
