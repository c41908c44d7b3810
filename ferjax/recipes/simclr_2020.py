"""Contrastive learning (Chen et al., 2020) for grey faces of about 48×48 pixels."""

from ml_collections import ConfigDict


def contrastive(config: ConfigDict, batch_size: int, epochs: float) -> None:
    """Sets contrastive learning: crops, mirror images, light and blur, AdamW, half a cosine.

    Of the paper's changes of colour only those of light and contrast are here, for FER2013's faces are grey.
    The paper trains by LARS with batches of 4,096.

    Args:
        config: changed in place.
        batch_size: images a step, each of which is told from all others.
        epochs: passes over the training split.
    """
    config.pretrain.update(method="simclr", temperature=0.1)
    config.data.image_size = 48
    config.augment.update(
        flip=True, random_crop=0.5, rotate=10.0, brightness=0.4, contrast=0.4, erase=0.25,
        extra="gaussian_blur=0.03",
    )  # fmt: skip
    config.train.update(batch_size=batch_size, epochs=epochs)
    config.optimizer.update(name="adamw", weight_decay=0.05, decay_vectors=False)
    config.schedule.update(name="cosine", learning_rate=1e-3, warmup_epochs=epochs / 20)
    config.eval.update(batch_size=256, every_epochs=epochs / 10)
