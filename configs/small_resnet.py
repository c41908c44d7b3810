"""A small residual network of ferjax's own for 48×48 faces: the embedded toons by default.

    python -m ferjax.main --config=configs/small_resnet.py

Its result on these cartoons is not measured yet.

    python -m ferjax.main --config=configs/small_resnet.py:fer2013

ferjax's own recipe for photographs, see `ferjax/recipes/strong.py`: 40 epochs of random crops of 40×40,
without copies of scored images. With `--config.train.epochs=22` 63.9 % of PrivateTest (seed 0; 95 % interval
62.3 to 65.5; mean class accuracy 54.7 %) in 1 hour 37 minutes on two cores of an AMD EPYC beside other work;
24 epochs more from these weights, as docs/results.md has it, 67.3 % (65.8 to 68.8; 62.7 %) in 48 minutes on
two cores of a faster one; 20 epochs more, taught by these, 68.3 % (66.8 to 69.8; 65.6 %) in 1 hour 41 minutes
beside much other work; once more so, 24 epochs, 68.4 % (66.8 to 69.9; 66.6 %) in 1 hour 55 minutes beside as
much: these are the weights that ferjax ships. jax 0.10.2, measured on 2026-11-29. 40 epochs in one cycle are
not measured.
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
