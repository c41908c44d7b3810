"""The recipe of Huang et al. (2023) for SE-ResNet-18 on AffectNet and RAF-DB."""

from ml_collections import ConfigDict


def paper(config: ConfigDict) -> None:
    """Trains on crops of 224×224 out of 256×256, with rotation and tone jitter, by SGD for 20 epochs.

    The paper trains on five crops of every image; here a step draws one place at random. It tests on the
    centre crop; `--config.eval.crops=five` averages five. It does not say how strong the tone jitter is, and
    does not mention mirrored images, weight decay or a falling learning rate, so there are none.

    Args:
        config: changed in place.
    """
    config.data.update(image_size=224, source_size=256)
    config.augment.update(flip=False, rotate=30.0, brightness=0.2, contrast=0.2, saturation=0.2)
    config.train.update(batch_size=100, epochs=20.0)
    config.optimizer.update(name="sgd", momentum=0.9, weight_decay=0.0)
    config.schedule.update(name="constant", learning_rate=0.01)
