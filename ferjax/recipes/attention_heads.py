"""How the authors of DAN and of DDAMFN train: one schedule for RAF-DB, one for AffectNet.

Sources: Wen et al., "Distract your attention" (Biomimetics 2023); Zhang et al., "A dual-direction attention
mixed feature network" (Electronics 2023), with the settings of their published scripts.
"""

from ml_collections import ConfigDict


def paper(config: ConfigDict, image_size: int, rotate: float, translate: float, learning_rate: float) -> None:
    """Sets SGD in steps for RAF-DB and other sets, or Adam on evenly drawn classes for AffectNet.

    Args:
        config: changed in place.
        image_size: pixels, both sides.
        rotate: degrees. The authors move one image in five; here every image is moved, by as much on average.
        translate: as a share of the sides, likewise.
        learning_rate: of SGD.
    """
    config.data.image_size = image_size
    config.augment.update(flip=True, rotate=rotate, translate=translate, erase=0.5)
    if config.data.name.startswith("affectnet"):
        config.data.balance = "draw"
        config.train.update(batch_size=256, epochs=10.0)
        config.optimizer.update(name="adamw", weight_decay=0.0)
        config.schedule.update(name="step", learning_rate=1e-4, factor=0.6, every_epochs=1.0)
    else:
        config.train.update(batch_size=256, epochs=40.0)
        config.optimizer.update(name="sgd", momentum=0.9, weight_decay=1e-4)
        config.schedule.update(name="step", learning_rate=learning_rate, factor=0.1, every_epochs=10.0)
