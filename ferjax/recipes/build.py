"""Builds a recipe's config: defaults, the recipe's fields, those behind the colon of `--config=FILE:…`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.config.field import shown
from ferjax.errors import UserError
from ferjax.recipes.strong import strong

# What `recipe=NAME` behind the colon may say: a recipe of the config's own, or one that serves every network.
OWN = "paper"
STRONG = "strong"

Change = Callable[[ConfigDict], None]


def build(
    argument: str,
    model: dict[str, Any],
    toons: Change,
    paper: Change,
    default: str = "toons/avataaars",
    others: Mapping[str, Change] = MappingProxyType({}),
    everywhere: Mapping[str, Change] = MappingProxyType({}),
    on_toons: Mapping[str, Any] = MappingProxyType({}),
) -> ConfigDict:
    """Returns the config for the data set in `argument`.

    Args:
        argument: see `ferjax.config.split_argument`; it may also say `recipe=paper` (the default) or
            `recipe=strong`, ferjax's own recipe for photographs of 48×48 pixels.
        model: the group `model`: name and options.
        toons: changes the defaults for the embedded data sets.
        paper: changes the defaults for all others.
        default: the data set if `argument` names none, or only `toons`.
        others: further recipes of the config's own for all other data sets, by the name behind `recipe=`.
        everywhere: likewise, for the embedded data sets too.
        on_toons: options of the network for the embedded data sets, whatever the recipe, so that what one has
            pre-trained the others can go on with.

    Raises:
        UserError: `argument` cannot be read, names an unknown recipe, or sets a field that does not exist.
    """
    dataset, overrides = ferjax_config.split_argument(argument, default)
    dataset = default if dataset == "toons" else dataset
    recipe = overrides.pop("recipe", OWN)
    changes = {**others, **everywhere, OWN: paper, STRONG: strong}
    if recipe not in changes:
        raise UserError(
            f"in the config argument there is no recipe={shown(recipe)}; take {' or '.join(changes)}"
        )
    cartoons = dataset.startswith("toons/")
    if cartoons and recipe not in (OWN, *everywhere):
        photographs = "photographs of 48×48 pixels" if recipe == STRONG else "photographs"
        raise UserError(
            f"recipe={recipe} is for {photographs}, not for {dataset}; name such a set, as in "
            f"`:fer2013,recipe={recipe}`, or leave the recipe out"
        )
    config = ferjax_config.defaults()
    config.data.name = dataset
    config.model.update({**model, **(on_toons if cartoons else {})})
    (toons if cartoons and recipe == OWN else changes[recipe])(config)
    for field, value in overrides.items():
        ferjax_config.override(config, field, value)
    return config


def toons(
    config: ConfigDict,
    epochs: float,
    learning_rate: float,
    image_size: int = 64,
    batch_size: int = 32,
    optimizer: str = "sgd",
    model: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Trains from scratch on 4,200 cartoons: few epochs with one cycle of the learning rate.

    Args:
        config: changed in place.
        epochs: passes over the training split.
        learning_rate: the cycle's peak.
        image_size: pixels, both sides.
        batch_size: images a step.
        optimizer: `sgd`, with Nesterov's momentum, or `adamw`.
        model: options of the network that differ from those of the paper's recipe.
    """
    config.model.update(dict(model))
    config.data.image_size = image_size
    config.train.update(batch_size=batch_size, epochs=epochs)
    config.optimizer.update(name=optimizer, nesterov=optimizer == "sgd")
    if optimizer == "adamw":
        config.optimizer.weight_decay = 0.01
    config.schedule.update(name="onecycle", learning_rate=learning_rate)
