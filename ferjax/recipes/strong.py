"""ferjax's own recipe for training from scratch on photographs of 48×48 pixels."""

from ml_collections import ConfigDict


def strong(config: ConfigDict) -> None:
    """Sets one cycle of SGD, label smoothing, geometric augmentation and an average of the weights.

    Args:
        config: changed in place.
    """
    config.data.update(image_size=48, drop_leaks=True)
    config.augment.update(flip=True, rotate=15.0, translate=0.08, scale=0.12, brightness=0.2, contrast=0.2)
    config.loss.label_smoothing = 0.1
    config.train.update(batch_size=128, epochs=40.0)
    config.optimizer.update(name="sgd", momentum=0.9, nesterov=True, weight_decay=5e-4, ema_decay=0.998)
    config.schedule.update(name="onecycle", learning_rate=0.1)
    config.eval.update(batch_size=256, crops="flip")
