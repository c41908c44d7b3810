"""SE-ResNet-18: embedded toons by default, Huang et al. (2023) with `:affectnet7` or `:rafdb`.

    python -m ferjax.main --config=configs/se_resnet18.py

Expected: 93.2 % test accuracy (seed 0; 95 % interval 91.8 to 94.4) in 10 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22 in a run of `crossdb` beside other work.

    python -m ferjax.main --config=configs/se_resnet18.py:affectnet7

The paper's recipe: batch 100 and 20 epochs. It claims 56.54 % on AffectNet's validation images and 65.67 % on
RAF-DB's test images; pre-trained on AffectNet and then trained on RAF-DB, 83.37 %:

    python -m ferjax.main --config=configs/se_resnet18.py:rafdb --config.init.from=AFFECTNET_WORKDIR

The same without squeeze-and-excitation: `--config=configs/se_resnet18.py:rafdb,model.name=resnet18`. ferjax
has not run them: the images are licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import huang_2023
from ferjax.recipes.build import build, toons


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "se_resnet18"},
        toons=partial(toons, epochs=6.0, learning_rate=0.05),
        paper=huang_2023.paper,
    )
