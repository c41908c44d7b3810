"""Options of the code that a config names: a network's attributes, and the keywords of a loss, an optimizer
or a schedule.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from ferjax import registry
from ferjax.config.field import shown
from ferjax.config.option_values import annotations_of, check_value
from ferjax.config.text_fields import parse_extra
from ferjax.errors import UserError, foreign, nearest

# Attributes of networks that a run sets.
_NOT_OPTIONS = {
    "num_classes": "a network has as many classes as the data set",
    "dtype": "set train.precision",
}
# What each function is called with before its options, see `ferjax.registry`.
_FUNCTIONS: dict[str, tuple[registry.Registry[Callable[..., Any], Any], tuple[str, ...]]] = {
    "loss": (registry.LOSSES, ("logits", "labels", "class_weights", "config")),
    "optimizer": (registry.OPTIMIZERS, ("config", "learning_rate")),
    "schedule": (registry.SCHEDULES, ("config", "learning_rate", "total_steps", "steps_per_epoch")),
}


def model_options(config: ConfigDict) -> dict[str, Any]:
    """Returns the group `model` without its name, checked against the network's options.

    Raises:
        UserError: there is no such network or option, or an option has a wrong type or value.
    """
    # Not at the top: networks import jax, which reading a config does not need.
    from ferjax import models

    name, options = config.model.name, {key: value for key, value in config.model.items() if key != "name"}
    for option, instead in _NOT_OPTIONS.items():
        if option in options:
            raise UserError(f"model.{option} is no option of a config: {instead}")
    try:
        models.create(name, **options)
    except UserError:
        raise
    except Exception as error:
        what = foreign(error)
        raise UserError(f"model {name} does not take the options {shown(options)} ({what})") from error
    return options


def check_functions(config: ConfigDict) -> None:
    """Checks `loss.options`, `optimizer.options`, `schedule.options` and the names in `augment.extra`.

    Raises:
        UserError: the function has no such option or lacks one, an option has a wrong type, or a name is
            registered nowhere.
    """
    for group, (known, arguments) in _FUNCTIONS.items():
        name, options = config[group].name, dict(config[group].options.items())
        _check_function(group, name, known.find(name).target, arguments, options)
    for name, _ in parse_extra(config.augment.extra):
        registry.AUGMENTATIONS.find(name)


def _check_function(
    group: str, name: str, function: Callable[..., Any], arguments: Sequence[str], options: Mapping[str, Any]
) -> None:
    if not callable(function):
        raise UserError(f"{group} {name} is not a function but {shown(function)}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # functions written in C may have none
    try:
        signature.bind_partial(*arguments)
    except TypeError:
        raise UserError(f"{group} {name} must be a function of ({', '.join(arguments)})") from None
    parameters = list(signature.parameters.values())
    keywords = {p.name: p for p in _after(parameters, len(arguments)) if p.kind != p.VAR_KEYWORD}
    if not any(p.kind == p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in keywords:
                has = f"it has {nearest(option, keywords)}" if keywords else "it has none"
                raise UserError(f"{group} {name} has no option {option!r} in {group}.options; {has}")
    for option, parameter in keywords.items():
        if parameter.default is parameter.empty and option not in options:
            raise UserError(f"{group} {name} needs the option {option!r}: set {group}.options.{option}")
    annotations = annotations_of(function)
    for option, value in options.items():
        default = keywords[option].default if option in keywords else None
        check_value(f"{group}.options.{option}", value, annotations.get(option, Any), default)


def _after(parameters: Iterable[inspect.Parameter], positions: int) -> list[inspect.Parameter]:
    """Returns the parameters that the first `positions` arguments do not take."""
    rest = []
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            positions = 0
        elif positions and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positions -= 1
        else:
            rest.append(parameter)
    return rest
