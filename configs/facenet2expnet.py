"""FaceNet2ExpNet: a net learns a frozen face net's features, then expressions; embedded toons by default.

    python -m ferjax.main --config=configs/facenet.py --workdir=runs/facenet
    python -m ferjax.main --config=configs/facenet2expnet.py --config.init.from=runs/facenet \\
        --config.init.into=face_net

Expected: 96.7 % test accuracy (seed 0; 95 % interval 95.6 to 97.5) in less than 14 minutes more on two
cores of an AMD EPYC, jax 0.10.2, measured on 2026-11-22. Without `init.from` the face net has random
weights: the same stages run, but the features that are learnt from it mean nothing.

    python -m ferjax torch-import 20180402-114759-vggface2.pt --model=facenet --head=new --out=FACENET
    python -m ferjax.main --config=configs/facenet2expnet.py:affectnet8 --config.init.from=FACENET

The same with facenet-pytorch's published face net, at its own 160×160. The proposal states the two stages;
the rest of the recipe is ferjax's. ferjax has not run it: the images are licensed, and nothing was measured
on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import proposal
from ferjax.recipes.build import build


def _toons(config: ConfigDict) -> None:
    config.model.update(width=32, dropout=0.2)
    config.data.image_size = 75
    config.train.batch_size = 32
    proposal.two_stages(config, epochs=(2.0, 6.0), learning_rates=(2e-3, 2e-3))


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={
            "name": "facenet2expnet",
            "width": 64,
            "hidden": 256,
            "dropout": 0.5,
            "fixed_standardisation": False,
        },
        toons=_toons,
        paper=partial(proposal.two_stages_on_photographs, image_size=160),
    )
