"""Reading and setting the fields of a config by their names."""

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from ferjax.config.field import shown
from ferjax.config.schema import OPTION_GROUPS, STAGE
from ferjax.errors import UserError

_TRUTHS = {"true": True, "false": False}


def flat(config: ConfigDict | Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every leaf as `("group.field", value)`."""
    for key, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def override(config: ConfigDict, field: str, value: Any) -> None:
    """Sets `group.field`; an option of a network or of a plugged-in function may be new.

    `true` and `false` are read as Python's, as they are where a field is a flag of its own.

    Raises:
        UserError: there is no such field (the nearest are named) or the value has another type.
    """
    fields = dict(flat(config))
    group, _, name = field.rpartition(".")
    if is_option(field) and field not in fields:
        options = config
        for part in group.split("."):
            options = options[part]
        with options.unlocked():  # as the one of --config is locked
            options[name] = value
        return
    if field not in fields:
        raise UserError(unknown_field(field, fields))
    if isinstance(fields[field], bool) and isinstance(value, str):
        value = _TRUTHS.get(value, value)
    try:
        config.update_from_flattened_dict({field: value})
    except (TypeError, OverflowError):
        wanted = "True or False" if isinstance(fields[field], bool) else f"a {type(fields[field]).__name__}"
        raise UserError(f"config field {field} takes {wanted}, not {shown(value)}") from None


def set_stages(config: ConfigDict, *values: Mapping[str, Any]) -> None:
    """Makes a config train in stages, one after the other.

    The fields that the stages replace, `train.epochs` and `schedule.learning_rate`, are set to 0.

    Args:
        config: is changed in place.
        *values: the fields of each stage that differ from `ferjax.config.STAGE`.

    >>> from ferjax.config import defaults
    >>> config = defaults()
    >>> set_stages(config, {"epochs": 5.0, "freeze": "^(?!fc/)"}, {"epochs": 20.0})
    >>> config.stages.stage1.epochs, config.stages.stage2.epochs
    (5.0, 20.0)
    """
    config.stages = ConfigDict()
    for number, fields in enumerate(values, start=1):
        config.stages[f"stage{number}"] = ConfigDict(STAGE)
        config.stages[f"stage{number}"].update(fields)
    config.train.epochs = 0.0
    config.schedule.learning_rate = 0.0


def split_argument(argument: str, default: str) -> tuple[str, dict[str, Any]]:
    """Splits the text behind the colon of `--config=FILE:DATASET,key=value,…`.

    Args:
        argument: `DATASET`, `DATASET,key=value,…`, `key=value,…` or empty.
        default: the data set if none is named.

    Returns:
        `(dataset, {"group.field": value})`; values are Python literals or else strings.

    Raises:
        UserError: a part after the data set is not key=value.

    >>> split_argument("fer2013,train.epochs=3.5,optimizer.name=adamw", default="toons/avataaars")
    ('fer2013', {'train.epochs': 3.5, 'optimizer.name': 'adamw'})
    """
    dataset, overrides = default, {}
    for position, part in enumerate(filter(None, argument.split(","))):
        key, equals, text = part.partition("=")
        if equals:
            try:
                overrides[key.strip()] = ast.literal_eval(text)
            except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
                overrides[key.strip()] = text
        elif position == 0:
            dataset = part.strip()
        else:
            raise UserError(
                f"in the config argument {shown(argument)}, {shown(part)} is not key=value; a value with "
                "commas needs a flag of its own, --config.group.field=VALUE"
            )
    return dataset, overrides


def is_option(field: str) -> bool:
    """Says whether a field may be an option of a network or of a plugged-in function, not in the schema."""
    group, _, name = field.rpartition(".")
    return bool(name) and group in ("model", *OPTION_GROUPS)


def unknown_field(field: str, known: Iterable[str]) -> str:
    """Says that a field is unknown, which of the known ones are near, and where a new option would stand."""
    near = difflib.get_close_matches(field[:80], known, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if is_option(field):
        hint += f" (an option that the recipe does not set stands behind the colon: :toons,{field[:80]}=1)"
    return f"the config has no field {shown(field)}{hint}"
