"""Options of the code that a config names: a network's attributes, and the keywords of a loss, an optimizer
or a schedule.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ml_collections import ConfigDict

from ferjax import registry
from ferjax.config.field import Range, shown
from ferjax.config.text_fields import parse_extra
from ferjax.errors import UserError, nearest

# The widest layer that an option may ask for.
_WIDEST = 2**16
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
    # First, for a network may do anything with an option of a wrong type.
    target = registry.NETWORKS.find(name).target
    network = target.func if isinstance(target, partial) else target
    if dataclasses.is_dataclass(network):
        annotations = _annotations(network)
        for field in dataclasses.fields(network):
            if field.name in options:
                value = options[field.name]
                _check_value(f"model.{field.name}", value, annotations.get(field.name, Any), field.default)
    try:
        models.create(name, **options)
    except UserError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
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
    annotations = _annotations(function)
    for option, value in options.items():
        default = keywords[option].default if option in keywords else None
        _check_value(f"{group}.options.{option}", value, annotations.get(option, Any), default)


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


def _annotations(code: Any) -> dict[str, Any]:
    """Returns a class's or a function's annotations; none where they cannot be evaluated."""
    try:
        return typing.get_type_hints(code)
    except Exception:  # names that only a type checker imports
        return {}


def _check_value(field: str, value: Any, annotation: Any, default: Any) -> None:
    """Checks an option by its annotation and, if it is a number, the range that its default suggests.

    Raises:
        UserError: one line.
    """
    if not _is_plain(value):
        raise UserError(
            f"config field {field} is {shown(value)}; an option is a number, a text, True, False, None or a "
            "list of these"
        )
    if not _is_a(value, annotation):
        raise UserError(f"config field {field} takes {_type_words(annotation)}, not {shown(value)}")
    if isinstance(value, float) or annotation is float:
        rate = field.endswith("dropout")
        (Range(0, 1, below=True) if rate else Range(-1e30, 1e30)).check(field, value)
    elif isinstance(value, int) and not isinstance(value, bool):
        # Counts and widths: 0 means something only where it, or less, is the default.
        count = isinstance(default, int) and default > 0
        Range(1 if count else -_WIDEST, _WIDEST).check(field, value)


def _is_plain(value: Any) -> bool:
    """Checks that a value can be written to config.json and read again."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _is_a(value: Any, annotation: Any) -> bool:
    """Checks a plain value against an annotation; one that says nothing of plain values allows all."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_is_a(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if annotation is float:
        return type(value) in (int, float)
    if annotation in (bool, int, str):
        return type(value) is annotation
    if annotation is type(None):
        return value is None
    if origin in (tuple, list, Sequence):
        elements = [argument for argument in arguments if argument is not ...]
        if not isinstance(value, tuple | list):
            return False
        if origin is tuple and ... not in arguments and len(value) != len(elements):
            return False
        each = elements if origin is tuple and ... not in arguments else elements[:1] * len(value)
        return all(_is_a(*pair) for pair in zip(value, each, strict=False))
    return True


def _type_words(annotation: Any) -> str:
    if annotation in (bool, int, float, str):
        return f"a {annotation.__name__}"
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(annotation)))
    return str(annotation).replace("typing.", "")
