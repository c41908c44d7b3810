"""ferjax's own recipe for training from scratch on photographs of 48×48 pixels, with its honest protocol."""

from ml_collections import ConfigDict


def strong(config: ConfigDict) -> None:
    """Sets one cycle of SGD, label smoothing, geometric augmentation and an average of the weights.

    Images are read at 48×48 and seen as random crops of 40×40; scores are the mean of the centre and its
    mirror image. Copies of scored images are left out of train and validation, and what choosing on test
    would give is told.

    Args:
        config: changed in place.
    """
    config.data.update(image_size=40, source_size=48, drop_leaks=True, drop_validation_leaks=True)
    config.augment.update(flip=True, rotate=15.0, scale=0.1, brightness=0.2, contrast=0.2, erase=0.25)
    config.loss.label_smoothing = 0.1
    config.train.update(batch_size=128, epochs=40.0)
    config.optimizer.update(name="sgd", momentum=0.9, nesterov=True, weight_decay=5e-4, ema_decay=0.998)
    config.schedule.update(name="onecycle", learning_rate=0.1)
    config.eval.update(batch_size=256, every_epochs=4.0, crops="flip", also_best_on_test=True)
