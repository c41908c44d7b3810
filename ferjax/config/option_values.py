"""Checks one option of the code that a config names by its annotation, its default and its name."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.config.field import Range, shown
from ferjax.errors import UserError

# The widest layer that an option may ask for.
_WIDEST = 2**16
# How names of options end that are probabilities of leaving something out.
_RATES = ("dropout", "dropout_rate", "dropout_prob", "drop_rate", "drop_prob", "drop_path")


def check_attributes(group: str, code: type, options: Mapping[str, Any]) -> None:
    """Checks the options that are attributes of a dataclass, as a Linen module is.

    Args:
        group: the config group of the options, for messages.
        code: the class.
        options: name → value; names that are no attributes are left out.

    Raises:
        UserError: the first option of a wrong type or value, and what it takes.
    """
    annotations = annotations_of(code)
    for field in dataclasses.fields(code):
        if field.name in options:
            usual = type(field.default) if type(field.default) in (bool, int, float, str) else Any
            annotation = annotations.get(field.name, usual)
            check_value(f"{group}.{field.name}", options[field.name], annotation, field.default)


def annotations_of(code: Any) -> dict[str, Any]:
    """Returns a class's or a function's annotations, without texts where one cannot be evaluated."""
    try:
        return typing.get_type_hints(code)
    except Exception:  # names that only a type checker imports
        pass
    try:
        own = dict(code.__annotations__)
    except Exception:  # evaluated only now, from Python 3.14 on
        return {}
    return {name: annotation for name, annotation in own.items() if not isinstance(annotation, str)}


def check_value(field: str, value: Any, annotation: Any, default: Any) -> None:
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
    floating = isinstance(value, float) or annotation is float
    for number in _numbers(value):
        if _is_rate(field.rpartition(".")[2]):
            Range(0, 1, below=True).check(field, number)
        elif floating or isinstance(number, float):
            Range(-1e30, 1e30).check(field, number)
        else:
            # Counts and widths: 0 means something only where it, or less, is the default.
            count = all(type(each) is int and each > 0 for each in _numbers(default) or [0])
            Range(1 if count else -_WIDEST, _WIDEST).check(field, number)


def _numbers(value: Any) -> list[int | float]:
    """Returns the numbers of a plain value: itself, or those of a list and of the lists in it."""
    if isinstance(value, tuple | list):
        return [number for each in value for number in _numbers(each)]
    return [value] if type(value) in (int, float) else []


def _is_rate(option: str) -> bool:
    """Tells by its name whether an option is the probability of leaving something out."""
    return option.endswith(_RATES)


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
