"""The config's schema as text, Markdown (docs/configuration.md) and plain values for JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

from ferjax.config.field import Choices, Field, Range
from ferjax.config.run_fields import STAGE_FIELDS
from ferjax.config.schema import FIELDS

ROWS: tuple[Field, ...] = (*FIELDS, *STAGE_FIELDS)
_MARK = "*"  # of fields that never change a number

_DOCUMENT = """# Configuration

Every field of a config. `python -m ferjax config` prints them in a terminal, `python -m ferjax config
train.batch_size` one of them, and `python -m ferjax config --config=resemotenet:fer2013` what a recipe sets.
This page is written by `python -m ferjax config --markdown > docs/configuration.md`.

- **Set a field** on the command line with `--config.train.epochs=3`, behind the colon with
  `--config=resemotenet:fer2013,train.epochs=3`, or in a config file with `config.train.epochs = 3.0`.
- **A wrong name, type or value** ends a command before anything is built, with one line that names the field,
  what it takes and the nearest valid name.
- **Options of a network** are further fields of the group `model`. Options of a loss, an optimizer or a
  schedule of your own are fields of `loss.options`, `optimizer.options` and `schedule.options`. Those that a
  config file does not set itself are set behind the colon: `:fer2013,loss.options.margin=0.5`.
- **Fields marked \\*** never change a number: a run that was stopped may go on with other values of these.
"""


def group_of(field: Field) -> str:
    """Returns the group of a field, `train` of `train.epochs`; `stages` is a group of its own."""
    return field.name.rpartition(".")[0] or field.name


def by_group(fields: Iterable[Field] = ROWS) -> dict[str, list[Field]]:
    """Returns the fields of each group, in the config's order; a stage's fields follow `stages`."""
    groups: dict[str, list[Field]] = {}
    for field in fields:
        group = group_of(field)
        groups.setdefault("stages" if group == "stages.stageN" else group, []).append(field)
    return groups


def default_text(field: Field) -> str:
    """Returns the default as one would write it in a config file."""
    return repr(field.default)


def text(fields: Iterable[Field] = ROWS) -> str:
    """Returns fields for a terminal: a line of facts and a line of help each, by group."""
    groups = by_group(fields)
    facts = [[_facts(field) for field in fields] for fields in groups.values()]
    widths = [max(len(row[i]) for rows in facts for row in rows) for i in range(4)]
    lines = [_line(("field", "type", "default", "unit", "allowed"), widths)]
    for (group, fields), rows in zip(groups.items(), facts, strict=True):
        lines += ["", group]
        for field, row in zip(fields, rows, strict=True):
            lines += [_line(row, widths), f"      {field.help}"]
    lines += ["", f"{_MARK} never changes a number: a run may go on with another value."]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    return f"  {'  '.join((*padded, cells[-1]))}".rstrip()


def _facts(field: Field) -> tuple[str, str, str, str, str]:
    name = field.name + _MARK * field.free
    return name, field.type_name, default_text(field), field.unit, field.allowed.words


def one(field: Field) -> str:
    """Returns one field in full for a terminal."""
    rows = {
        "type": field.type_name,
        "default": default_text(field),
        "allowed": field.allowed.words,
        "unit": field.unit,
        "resume": "a run may go on with another value" if field.free else "a run keeps its value",
    }
    facts = "\n".join(f"  {name:8s} {value}" for name, value in rows.items() if value)
    return f"{field.name}\n  {field.help}\n\n{facts}"


def as_json(field: Field) -> dict[str, Any]:
    """Returns one field as plain values."""
    row = {
        "name": field.name,
        "group": group_of(field),
        "type": field.type_name,
        "default": field.default,
        "allowed": field.allowed.words,
        "unit": field.unit,
        "help": field.help,
        "free": field.free,
    }
    if isinstance(field.allowed, Range):
        row |= {"least": field.allowed.least, "most": field.allowed.most}
    if isinstance(field.allowed, Choices):
        row |= {"choices": field.allowed.names}
    return row


def markdown() -> str:
    """Returns docs/configuration.md."""
    parts = [_DOCUMENT]
    for group, fields in by_group().items():
        rows = [_markdown_row(field) for field in fields]
        head = "| field | type | default | allowed | unit | meaning |\n|---|---|---|---|---|---|"
        parts.append("\n".join([f"## {group}", "", head, *rows, ""]))
    return "\n".join(parts)


def _markdown_row(field: Field) -> str:
    default = f"`{default_text(field)}`"
    name = f"`{field.name}`" + "\\*" * field.free
    cells = (name, field.type_name, default, field.allowed.words, field.unit, field.help)
    # A star or a bar is text here.
    plain = (cell.replace("|", "\\|").replace("**", "\\*\\*") for cell in cells)
    return f"| {' | '.join(plain)} |"
