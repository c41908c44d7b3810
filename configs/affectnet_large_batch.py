"""Pre-training on AffectNet with a large batch on many devices; the embedded toons by default, to try it.

    python -m ferjax.main --config=configs/affectnet_large_batch.py

Expected on the toons, 48×48, batch 256 with LARS: 92.8 % test accuracy (seed 0; 95 % interval 91.3 to 94.0)
in 7 minutes on two cores of an AMD EPYC, jax 0.10.2, measured on 2026-11-22.

    launch/slurm.sh --config=configs/affectnet_large_batch.py:affectnet7 --workdir=runs/affectnet

SE-ResNet-50 at 224×224 from crops of 256, bfloat16, global batch 4,096, 60 epochs, LARS with linear scaling
and five epochs of warm-up (Goyal et al., 2017; You et al., 2017), label smoothing, averaged weights. The
batch may be 1,024 to 16,384 (`--config.train.batch_size=…`): the rate follows it. LAMB with square-root
scaling: `:affectnet7,optimizer.name=lamb`. Not measured: the images are licensed, and no such machine was at
hand.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.recipes.build import build


def _large_batch(config: ConfigDict, lamb: bool) -> None:
    config.loss.label_smoothing = 0.1
    # Biases and normalisation scales keep out of decay, and LARS and LAMB give them no trust ratio.
    config.optimizer.update(decay_vectors=False, ema_decay=0.999, clip_norm=0.0)
    if lamb:
        # You et al., 2020, ResNet-50 on ImageNet: 4 / (2³ · 100) at a batch of 512, growing with its root.
        config.optimizer.update(name="lamb", weight_decay=1e-2, epsilon=1e-6)
        config.schedule.update(learning_rate=5e-3, base_batch=512, scale_rate="sqrt")
    else:
        # You et al., 2017: momentum 0.9, trust 0.001. The rate is ferjax's: about 10 at a batch of 4,096.
        config.optimizer.update(name="lars", momentum=0.9, weight_decay=1e-4, trust_coefficient=1e-3)
        config.schedule.update(learning_rate=0.6, base_batch=256, scale_rate="linear")
    config.schedule.update(name="cosine", warmup_epochs=5.0)


def _toons(config: ConfigDict, lamb: bool) -> None:
    _large_batch(config, lamb)
    config.model.name = "resnet18"
    config.data.image_size = 48
    config.train.update(batch_size=256, epochs=15.0, log_every=5)
    config.schedule.update(learning_rate=6.0, warmup_epochs=2.0)
    config.optimizer.ema_decay = 0.9


def _photographs(config: ConfigDict, lamb: bool) -> None:
    _large_batch(config, lamb)
    config.data.update(image_size=224, source_size=256, cache="stream", workers=8)
    config.augment.update(rotate=10.0, brightness=0.2, contrast=0.2, saturation=0.2)
    config.loss.class_weights = "inverse"
    config.train.update(batch_size=4096, epochs=60.0, precision="bfloat16", remat="layers")
    config.eval.batch_size = 1024
    config.checkpoint.every_steps = 200


def get_config(argument: str = "") -> ConfigDict:
    _, overrides = ferjax_config.split_argument(argument, default="")
    lamb = overrides.get("optimizer.name") == "lamb"
    return build(
        argument,
        model={"name": "se_resnet50"},
        toons=partial(_toons, lamb=lamb),
        paper=partial(_photographs, lamb=lamb),
    )
