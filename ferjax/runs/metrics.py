"""Reads `metrics.jsonl`: one object a line with `step`, `split` and named values."""

from pathlib import Path
from typing import Any

from ferjax.config.field import shown
from ferjax.errors import UserError
from ferjax.files import read_json_lines

_LARGEST_STEP, _LARGEST = 2**53, 1e60  # far beyond what a run writes


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """Reads and checks the rows, in order; a last line cut short is dropped.

    Returns:
        Rows whose `step` is an int from 0 on, whose `split` is a text, and whose other values are finite
        numbers, or None where a run had NaN or infinity.

    Raises:
        UserError: the file is missing or cannot be read, or a line is not such a row; the message says which.
    """
    rows = read_json_lines(path, required=("step", "split"))
    for number, row in enumerate(rows, start=1):
        for name, value in row.items():
            if name == "step":
                good, wanted = _is_step(value), "a whole number from 0 on"
            elif name == "split":
                good, wanted = isinstance(value, str), "a text"
            else:
                good, wanted = value is None or _is_value(value), "a number or null"
            if not good:
                raise UserError(
                    f"{path}, row {number}: {name[:40]} is {shown(value)}, not {wanted}; mend or remove it"
                )
    return rows


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_STEP


def _is_value(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
