"""Spatial deep learning: the embedded toons by default, Khan, Singh & Agrawal (2023) with `:fer2013`.

    python -m ferjax.main --config=configs/sdl.py

Expected: 94.6 % test accuracy (seed 0; 95 % interval 93.3 to 95.6) in 5 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22.

    python -m ferjax.main --config=configs/sdl.py:fer2013

The paper's recipe (`:ckplus,data.fold=1/10` and `:ferg,data.fold=1/10` for the other sets). It claims 74.92 %
± 0.16 on FER2013, 98.5 % on CK+ and 99.47 % on FERG. docs/networks.md says what the paper leaves open. ferjax
has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from ml_collections import ConfigDict

from ferjax.recipes.build import build


def _toons(config: ConfigDict) -> None:
    config.data.image_size = 48
    config.loss.l2 = "^fc1/kernel:0.001,^fc2/kernel:0.01"
    config.train.update(batch_size=32, epochs=12.0)
    config.optimizer.update(name="adamw", weight_decay=0.0)
    config.schedule.update(name="onecycle", learning_rate=1.5e-3)


def _paper(config: ConfigDict) -> None:
    # Sections 3 and 5. Batch size and how small "small" is are not given.
    config.data.update(image_size=48, balance="oversample")
    config.augment.update(flip=True, rotate=10.0, elastic=0.03)
    # E = cross entropy + 0.5 (λ1 ΣW1² + λ2 ΣW2²); AdamW's own decay is off, for equation 6 is its gradient.
    config.loss.l2 = "^fc1/kernel:0.001,^fc2/kernel:0.01"
    config.optimizer.update(name="adamw", weight_decay=0.0)
    config.schedule.update(name="step", learning_rate=0.03, factor=0.9, every_epochs=10.0)
    config.train.update(batch_size=128, epochs=300.0)


def get_config(argument: str = "") -> ConfigDict:
    return build(argument, model={"name": "sdl", "hidden": 256}, toons=_toons, paper=_paper)
