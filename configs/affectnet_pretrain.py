"""SE-ResNet-18 trained on AffectNet with a large batch, to be carried to RAF-DB by `transfer_rafdb.py`.

    python -m ferjax.main --config=configs/affectnet_pretrain.py --workdir=runs/affectnet_pretrain-toons

The toons' stand-in, avataaars, on two cores.

Expected: 93 % test accuracy (seed 0: 93.0 %) in 11 minutes on two cores of an AMD EPYC beside other work,
jax 0.10.2, measured on 2026-11-22.

    python -m ferjax.main --config=configs/affectnet_pretrain.py:affectnet7 --workdir=runs/affectnet_pretrain

Augmentation and length are Huang et al.'s (2023), whose batch is 100 at rate 0.01 (they claim 56.54 % on
AffectNet's validation images). The batch of 2,048 and what goes with it are ferjax's: LAMB, a rate that grows
with the square root of the batch, warmup and a cosine, bfloat16, and class weights, as one image in two is
happy. Not run: the images are licensed, and nothing was measured on a GPU. A smaller machine takes the
same batch in parts: `--config.train.accumulate_steps=8`.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import huang_2023
from ferjax.recipes.build import build, toons


def large_batch(config: ConfigDict) -> None:
    """Trains with Huang et al.'s augmentation and length at a batch of 2,048."""
    huang_2023.paper(config)
    config.train.update(batch_size=2048, precision="bfloat16")
    config.optimizer.update(name="lamb", weight_decay=0.01, decay_vectors=False)
    config.schedule.update(
        name="cosine", learning_rate=1e-3, scale_rate="sqrt", base_batch=256, warmup_epochs=2.0
    )
    config.loss.update(class_weights="effective", label_smoothing=0.1)
    config.eval.batch_size = 512


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "se_resnet18"},
        toons=partial(toons, epochs=8.0, learning_rate=0.1, batch_size=128),
        paper=large_batch,
    )
