"""EmoNeXt-T: the embedded toons by default, El Boudouri & Bohi (2023) with `:fer2013`.

    python -m ferjax.main --config=configs/emonext_tiny.py

From scratch at 64×64 pixels, as `configs/convnext_tiny.py`. Not measured yet.

    python -m ferjax.main --config=configs/emonext_tiny.py:fer2013

The authors' recipe, as far as ferjax has its parts: no upright mirror images, and one cosine instead of one
every 1,024 steps. They begin with ConvNeXt's ImageNet weights, without the spatial transformer, the
squeeze-and-excitation and the attention, and claim 76.12 % on FER2013 for the largest of them. ferjax has not
run it: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons


def _paper(config: ConfigDict) -> None:
    config.data.update(image_size=224, source_size=236)
    config.augment.update(flip=True, rotate=20.0)
    config.loss.label_smoothing = 0.2
    config.train.update(batch_size=64, epochs=300.0)
    config.optimizer.update(name="adamw", weight_decay=0.01, ema_decay=0.9999)
    config.schedule.update(name="cosine", learning_rate=1e-3, warmup_epochs=1.0)
    config.eval.crops = "ten"


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "emonext_tiny", "layer_scale": 1e-6, "drop_path": 0.1},
        toons=partial(
            toons,
            epochs=24.0,
            learning_rate=2e-3,
            optimizer="adamw",
            model={"width": 32, "layer_scale": 1.0, "drop_path": 0.0},
        ),
        paper=_paper,
    )
