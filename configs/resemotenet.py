"""ResEmoteNet (Roy et al., 2024)."""

from ml_collections import ConfigDict

from ferjax import config as ferjax_config


def get_config(argument: str = "") -> ConfigDict:
    dataset, overrides = ferjax_config.split_argument(argument, default="toons/avataaars")
    config = ferjax_config.defaults()
    config.data.name = dataset
    config.model.update(name="resemotenet", stem_dropout=0.2, head_dropout=0.5)
    config.loss.class_weights = "inverse"
    if dataset.startswith("toons/"):
        config.train.update(batch_size=64, epochs=6.0)
        config.schedule.update(name="onecycle", learning_rate=0.02)
    else:
        config.train.update(batch_size=16, epochs=80.0)
        config.schedule.update(name="plateau", learning_rate=1e-3)
    for field, value in overrides.items():
        ferjax_config.override(config, field, value)
    return config
