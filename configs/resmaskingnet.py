"""The residual masking network: the embedded toons by default, Pham et al. (2021) with `:fer2013`.

    python -m ferjax.main --config=configs/resmaskingnet.py

A quarter of the width from scratch at 64×64 pixels. Expected: 82.4 % test accuracy (seed 0; 95 % interval
80.3 to 84.3) in 35 minutes on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-12-01,
while training is at 96 %.

    python -m ferjax torch-import RMN --model=resmaskingnet --options=unit_pixels=True --head=new --out=NET
    python -m ferjax.main --config=configs/resmaskingnet.py:fer2013 --config.init.from=NET

The paper's recipe; it claims 74.14 % on FER2013's test images. The authors begin with a ResNet-34 of
ImageNet; users who did not report 60 to 66 %. ferjax has not run it, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons


def _paper(config: ConfigDict) -> None:
    config.model.unit_pixels = True
    config.data.image_size = 224
    config.augment.update(flip=True, rotate=30.0)
    config.train.update(batch_size=48, epochs=50.0, early_stop_patience=8, seed=1234)
    # The authors' is rectified Adam, whose first steps are small; AdamW with a rising rate is as careful.
    config.optimizer.update(name="adamw", weight_decay=1e-3)
    config.schedule.update(name="plateau", learning_rate=1e-4, factor=0.1, patience=2, warmup_epochs=1.0)
    # The authors average ten randomly changed copies.
    config.eval.crops = "flip"


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "resmaskingnet", "width": 64, "dropout": 0.4, "unit_pixels": False},
        toons=partial(toons, epochs=16.0, learning_rate=1e-3, optimizer="adamw", model={"width": 16}),
        paper=_paper,
    )
