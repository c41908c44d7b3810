"""FaceNet (Inception-ResNet-v1) with a classifier of expressions: embedded toons by default.

    python -m ferjax.main --config=configs/facenet.py

Expected: 95.8 % test accuracy (seed 0; 95 % interval 94.6 to 96.7) in 14 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22.
Images have 75×75 pixels, the smallest that the network takes. The weights of this run are also a
face net for `configs/facenet2expnet.py`.

    python -m ferjax torch-import 20180402-114759-vggface2.pt --model=facenet --head=new --out=FACENET
    python -m ferjax.main --config=configs/facenet.py:rafdb --config.init.from=FACENET

Fine-tunes facenet-pytorch's published weights at their own size, 160×160. The recipe is ferjax's: the papers
here give none. ferjax has not run it: the images are licensed, and nothing was measured on a GPU.
"""

from ml_collections import ConfigDict

from ferjax.recipes import proposal
from ferjax.recipes.build import build, toons


def _toons(config: ConfigDict) -> None:
    toons(config, epochs=8.0, learning_rate=0.05, image_size=75)
    config.model.dropout = 0.2  # eight epochs on cartoons: weaker than 0.6


def _photographs(config: ConfigDict) -> None:
    config.model.fixed_standardisation = True
    proposal.fine_tuned(config, image_size=160)


def get_config(argument: str = "") -> ConfigDict:
    model = {"name": "facenet", "dropout": 0.6, "fixed_standardisation": False}
    return build(argument, model=model, toons=_toons, paper=_photographs)
