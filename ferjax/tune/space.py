"""Reads the file of a search's space: which config fields are searched, and over which values.

TOML, a table for each field:

    "schedule.learning_rate" = {low = 1e-4, high = 0.1, log = true}
    "train.batch_size" = {choices = [16, 32, 64]}
    "optimizer.name" = {choices = ["sgd", "adamw"]}
    "optimizer.momentum" = {low = 0.8, high = 0.99, when = {"optimizer.name" = "sgd"}}
"""

import dataclasses
import graphlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax.config import FIELDS, FREE_FIELDS, flat, is_option, model_options, override, unknown_field
from ferjax.config.field import shown
from ferjax.config.options import check_functions
from ferjax.config.schema import STAGE_FIELDS
from ferjax.errors import UserError, nearest
from ferjax.files import user_path

Value = bool | int | float | str
_KEYS = {"low", "high", "log", "step", "choices", "when"}
_LARGEST = 1 << 20  # bytes of a file
_LARGEST_NUMBER = 1e30
# Fields that decide what validation is, and how often the best of it is taken.
_FIXED = (
    "data.name", "data.fold", "data.inner_fold", "data.val_fraction", "data.test_fraction",
    "data.drop_validation_leaks",
    "data.relabel", "data.label_noise", "data.label_noise_seed", "eval.every_epochs",
    "eval.also_best_on_test", "train.seed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A field and the values that are searched.

    Attributes:
        field: `group.field` of the config.
        low: the smallest number; None with choices.
        high: the largest number.
        log: numbers are drawn evenly by their logarithm.
        step: between two numbers; None for any (whole ones where the field is an int).
        whole: the field is an int.
        choices: the values themselves; empty with low and high.
        when: fields of the space, and the values of each with which this one is searched at all.
    """

    field: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    whole: bool = False
    choices: tuple[Value, ...] = ()
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def applies(self, values: Mapping[str, Value]) -> bool:
        """Tells whether the field is searched beside these values of the fields before it."""
        return all(field in values and values[field] in allowed for field, allowed in self.when)

    @property
    def words(self) -> str:
        """Says for a table what is searched."""
        if self.choices:
            text = ", ".join(map(str, self.choices))
        else:
            text = f"{self.low:g} to {self.high:g}" + (f", step {self.step:g}" if self.step else "")
            text += ", logarithmic" if self.log else ""
        for field, allowed in self.when:
            text += f"; if {field} is {' or '.join(map(str, allowed))}"
        return text


Space = tuple[Dimension, ...]


def read(path: Path | str, config: ConfigDict) -> Space:
    """Reads and checks a space for a config.

    Args:
        path: a TOML file.
        config: the recipe that is searched around; gives the fields and their types.

    Returns:
        The dimensions; each stands after those that its `when` names.

    Raises:
        UserError: the file cannot be read, a field is unknown or must not be searched, or a value is none
            that the field takes.
    """
    path = user_path(path)
    try:
        if not path.is_file():
            raise UserError(f"there is no file {path}: --space takes a TOML file, see docs/tune.md")
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path} has {path.stat().st_size:,} bytes: that is no file of a search space")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML ({error})") from error
    try:
        return parse(content, config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(content: Mapping[str, Any], config: ConfigDict) -> Space:
    """Checks the content of a file, see `read`."""
    if not content:
        raise UserError('it names no field to search; a line is "train.batch_size" = {choices = [16, 32]}')
    known = dict(flat(config))
    dimensions = {}
    for field, table in content.items():
        if not isinstance(table, dict) or not table.keys() <= _KEYS:
            raise UserError(_no_table(field, table))
        _check_searched(field, known)
        dimensions[field] = _dimension(field, table, known.get(field))
    for dimension in dimensions.values():
        _check_when(dimension, dimensions)
    try:
        order = graphlib.TopologicalSorter({d.field: [f for f, _ in d.when] for d in dimensions.values()})
        space = tuple(dimensions[field] for field in order.static_order())
    except graphlib.CycleError as error:
        raise UserError(f"the conditions of {' and '.join(error.args[1][1:])} go in a circle") from None
    for dimension in space:
        _check_values(dimension, config)
    return space


def with_values(config: ConfigDict, values: Mapping[str, Value]) -> ConfigDict:
    """Returns a copy of a config with the values of a trial."""
    copy = config.copy_and_resolve_references()
    for field, value in values.items():
        override(copy, field, value)
    return copy


def _no_table(field: str, table: Any) -> str:
    if isinstance(table, dict) and any(isinstance(value, dict) for value in table.values()):
        inner = next(iter(table))
        return f'write fields in quotes, as "{field}.{inner}" = …'
    if isinstance(table, dict):
        wrong = next(key for key in table if key not in _KEYS)
        return f"{field} has {shown(wrong)}; it takes {', '.join(sorted(_KEYS))}"
    return f"{field} is {shown(table)}; it takes {{low = …, high = …}} or {{choices = […]}}"


def _check_searched(field: str, known: Mapping[str, Any]) -> None:
    if field not in known and not is_option(field):
        raise UserError(unknown_field(field, known))
    if field in FREE_FIELDS:
        raise UserError(f"{field} changes no number of a run: there is nothing to search")
    if field in _FIXED:
        raise UserError(f"{field} decides what trials are compared by, and so cannot be searched")


def _dimension(field: str, table: Mapping[str, Any], value: Any) -> Dimension:
    when = table.get("when", {})
    if not isinstance(when, dict):
        raise UserError(f'{field}: when takes a table such as {{"optimizer.name" = "sgd"}}')
    conditions = tuple((f, tuple(v) if isinstance(v, list) else (v,)) for f, v in when.items())
    if "choices" in table:
        if others := table.keys() & {"low", "high", "log", "step"}:
            raise UserError(f"{field} has choices and {min(others)}: give one of the two")
        return Dimension(field, choices=_choices(field, table["choices"], value), when=conditions)
    numbers = {key: table[key] for key in ("low", "high", "step") if key in table}
    for key, number in numbers.items():
        if type(number) not in (int, float) or not abs(number) <= _LARGEST_NUMBER:
            raise UserError(f"{field}: {key} is {shown(number)}; it takes a number")
    if not {"low", "high"} <= numbers.keys():
        raise UserError(f"{field} needs low and high, or choices")
    if type(value) in (bool, str):
        raise UserError(f"{field} is no number: it takes choices = […]")
    low, high, step, log = numbers["low"], numbers["high"], numbers.get("step"), table.get("log", False)
    whole = type(value) is int or (value is None and type(low) is type(high) is int)
    if type(log) is not bool:
        raise UserError(f"{field}: log is {shown(log)}; it takes true or false")
    if whole and any(type(number) is not int for number in numbers.values()):
        raise UserError(f"{field} takes whole numbers: low, high and step are whole numbers too")
    if not low < high:
        raise UserError(f"{field}: low {low:g} must be below high {high:g}")
    if log and low <= 0:
        raise UserError(f"{field}: low is {low:g}, and has no logarithm; take a number above 0")
    if log and step is not None:
        raise UserError(f"{field} has log and step: give one of the two")
    if step is not None and not 0 < step <= high - low:
        raise UserError(f"{field}: step is {step:g}; it must be above 0 and at most high − low")
    return Dimension(field, low, high, log, step, whole, when=conditions)


def _choices(field: str, choices: Any, value: Any) -> tuple[Value, ...]:
    if not isinstance(choices, list) or not choices:
        raise UserError(f"{field}: choices is {shown(choices)}; it takes a list of values")
    if type(value) is float:  # as in a config file, 1 is meant as 1.0
        choices = [float(each) if _is_small(each) else each for each in choices]
    wanted = {type(value)} if value is not None else {bool, int, float, str}
    for each in choices:
        if type(each) not in wanted:
            raise UserError(f"{field} takes a {type(value).__name__}, not {shown(each)}")
    if len(set(choices)) < len(choices):
        raise UserError(f"{field}: choices has a value twice")
    return tuple(choices)


def _is_small(value: Any) -> bool:
    return type(value) is int and abs(value) <= _LARGEST_NUMBER


def _check_when(dimension: Dimension, dimensions: Mapping[str, Dimension]) -> None:
    for field, allowed in dimension.when:
        if field not in dimensions:
            raise UserError(
                f"{dimension.field}: when names {field}, which is not searched; searched are "
                f"{nearest(field, dimensions)}"
            )
        if wrong := [value for value in allowed if value not in dimensions[field].choices]:
            raise UserError(
                f"{dimension.field}: when {field} is {shown(wrong[0])}, which is none of its choices"
            )


def _check_values(dimension: Dimension, config: ConfigDict) -> None:
    """Checks the ends or all choices against the field's row, or against the code whose option it is."""
    rows = {field.name: field for field in FIELDS}
    name = dimension.field
    if name.startswith("stages."):
        rows[name] = STAGE_FIELDS[name.rpartition(".")[2]]
    for value in dimension.choices or (dimension.low, dimension.high):
        assert value is not None
        value = float(value) if type(dict(flat(config)).get(name)) is float else value
        if name in rows:
            rows[name].check(value, name)
            continue
        copy = with_values(config, {**{field: allowed[0] for field, allowed in dimension.when}, name: value})
        (model_options if name.startswith("model.") else check_functions)(copy)
