"""Deep-Emotion, an attentional CNN: embedded toons by default, Minaee et al. (2019, 2021) with `:fer2013`.

    python -m ferjax.main --config=configs/attentional_cnn.py

Expected: 94.1 % test accuracy (seed 0; 95 % interval 92.7 to 95.2) in 3 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22.

    python -m ferjax.main --config=configs/attentional_cnn.py:fer2013

The sizes of a public PyTorch version at 48×48; its users report 47 to 55 % on FER2013, the SDL paper quotes
70.02 %. docs/networks.md says what is ferjax's choice and what was not checked against the text. 20 of its
500 epochs without copies of scored images gave 45.1 % of PrivateTest (seed 0; 95 % interval 43.5 to 46.7) in
39 minutes on one core of an AMD EPYC beside other work, jax 0.10.2, measured on 2026-11-30
(benchmarks/fer2013_recipes.py); nothing was measured on a GPU.
"""

from ml_collections import ConfigDict

from ferjax.recipes.build import build


def _toons(config: ConfigDict) -> None:
    # Ten channels are few for twelve epochs.
    config.model.update(features=32, hidden=128, dropout=0.2)
    config.data.image_size = 48
    config.train.update(batch_size=32, epochs=12.0)
    config.optimizer.update(name="adamw", weight_decay=1e-3)
    config.schedule.update(name="onecycle", learning_rate=2e-3)


def _paper(config: ConfigDict) -> None:
    # Adam at 0.005 with weight decay, 500 epochs, L2 on the last two layers; the rest is ferjax's.
    config.data.image_size = 48
    config.augment.update(flip=True, rotate=10.0, translate=0.05)
    config.loss.l2 = "^fc1/kernel:0.001,^fc2/kernel:0.001"
    config.optimizer.update(name="adamw", weight_decay=1e-3)
    config.schedule.update(name="constant", learning_rate=5e-3)
    config.train.update(batch_size=128, epochs=500.0)


def get_config(argument: str = "") -> ConfigDict:
    model = {"name": "attentional_cnn", "features": 10, "hidden": 50, "dropout": 0.5}
    return build(argument, model=model, toons=_toons, paper=_paper)
