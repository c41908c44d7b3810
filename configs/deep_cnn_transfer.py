"""A deep CNN with transfer learning (Akhand et al., 2021): the head first, then blocks unfrozen from the top.

    python -m ferjax.main --config=configs/resnet18.py:toons/open_peeps --workdir=runs/peeps
    python -m ferjax.main --config=configs/deep_cnn_transfer.py --config.init.from=runs/peeps

Expected: 93.4 % test accuracy (seed 0; 95 % interval 92.0 to 94.6) in 7 minutes on two cores of an AMD
EPYC, jax 0.10.2, measured on 2026-11-22. Weights go from one style of cartoons to another, head first.
Without `init.from` the stages run on random weights, and the last one, which trains the whole network, does
the work.

    python -m ferjax.main --config=configs/deep_cnn_transfer.py:affectnet8 \\
        --config.init.from=resnet18-f37072fd.pth

From torchvision's ImageNet weights, which you download yourself. `model.name` may be any ResNet, with or
without squeeze-and-excitation. The paper's strategy; rates and lengths are ferjax's. ferjax has not run it:
the images are licensed, and nothing was measured on a GPU.
"""

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.recipes.build import build

# The parameters frozen in each stage: first all but the classifier, then one residual stage less each time.
_FROZEN = (
    r"^(conv1|bn1|layer)",
    r"^(conv1|bn1|layer[123]_)",
    r"^(conv1|bn1|layer[12]_)",
    r"^(conv1|bn1|layer1_)",
    r"^(conv1|bn1)/",
    "",
)


def _unfrozen_from_the_top(config: ConfigDict, epochs: tuple[float, ...], rates: tuple[float, ...]) -> None:
    stages = zip(_FROZEN, epochs, rates, strict=True)
    ferjax_config.set_stages(
        config,
        *({"freeze": frozen, "epochs": length, "learning_rate": rate} for frozen, length, rate in stages),
    )


def _toons(config: ConfigDict) -> None:
    config.data.image_size = 64
    config.train.batch_size = 32
    config.optimizer.nesterov = True
    config.schedule.name = "onecycle"
    _unfrozen_from_the_top(config, epochs=(0.5,) * 5 + (5.0,), rates=(0.05,) * 6)


def _photographs(config: ConfigDict) -> None:
    config.data.image_size = 224
    config.augment.update(flip=True, rotate=10.0, scale=0.1)
    config.train.batch_size = 32
    config.optimizer.update(name="adamw", weight_decay=1e-4)
    config.schedule.name = "onecycle"
    _unfrozen_from_the_top(config, epochs=(5.0,) * 5 + (10.0,), rates=(1e-3,) + (3e-4,) * 4 + (1e-4,))


def get_config(argument: str = "") -> ConfigDict:
    return build(argument, model={"name": "resnet18"}, toons=_toons, paper=_photographs)
