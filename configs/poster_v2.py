"""POSTER++: the embedded toons by default, Mao et al. (2025) with `:rafdb` or `:affectnet7`.

    python -m ferjax.main --config=configs/ir50.py --workdir=IR50
    python -m ferjax.main --config=configs/poster_v2.py --config.init.from=IR50 --config.init.into=ir_back

A smaller one at 48×48 pixels. As the authors', its trunk begins with what it has learnt elsewhere, here from
the same cartoons; its landmark network begins anew and is trained too. Not measured yet.

    python -m ferjax torch-import POSTER.pth --model=poster_v2 --head=new --image_size=224 --out=POSTER
    python -m ferjax.main --config=configs/poster_v2.py:rafdb --config.init.from=POSTER

The paper's recipe, with two gradients for each step (`optimizer.sam_rho`); it claims 92.21 % on RAF-DB,
67.49 % on AffectNet with seven and 63.77 % with eight classes. The authors begin with an IR-50 of face
recognition and a landmark network; users report 81 % without them. ferjax has not run it: the images are
licensed, and nothing was measured on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes.build import build, toons
from ferjax.recipes.mao_2025 import fine_tuned

SMALL = {"depth": 18, "embedding": 192, "resized": 48, "train_landmarks": True}


def _paper(config: ConfigDict) -> None:
    fine_tuned(config)
    # Without decay nothing moves these weights; their running statistics move, as in the authors' code.
    config.init.update(freeze="^face_landback/", freeze_statistics=False)


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={
            "name": "poster_v2",
            "depth": 50,
            "embedding": 768,
            "resized": 112,
            "train_landmarks": False,
        },
        toons=partial(toons, epochs=3.0, learning_rate=1e-3, image_size=48, optimizer="adamw", model=SMALL),
        paper=_paper,
    )
