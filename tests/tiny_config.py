"""A run of the tiny network that has everything random and everything stateful switched on."""

from ml_collections import ConfigDict

from ferjax import config as ferjax_config


def get_config(argument: str = "") -> ConfigDict:
    dataset, overrides = ferjax_config.split_argument(argument, default="fer2013")
    config = ferjax_config.defaults()
    config.data.update(name=dataset, image_size=16)
    config.model.update(name="tiny", dropout=0.2, norm=True)
    config.augment.update(flip=True, translate=0.1)
    config.loss.update(class_weights="inverse", label_smoothing=0.05)
    config.optimizer.update(momentum=0.9, ema_decay=0.8, clip_norm=5.0)
    config.schedule.update(name="plateau", learning_rate=0.05, patience=0, factor=0.5)
    # Of the three intervals only one step in thirty is in all.
    config.train.update(batch_size=16, epochs=2.5, log_every=1)
    config.checkpoint.update(keep=2, every_steps=2)
    config.eval.update(batch_size=16, every_epochs=0.35)
    for field, value in overrides.items():
        ferjax_config.override(config, field, value)
    return config
