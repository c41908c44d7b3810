"""`python -m ferjax config [FIELD] [--config=FILE]`: the config's fields, or what a recipe sets.

Without arguments it prints all fields by group: type, default, unit, allowed values and one sentence each.
With FIELD, such as train.batch_size, it prints that field in full, and with a group, such as train, its
fields. With --config=FILE[:DATASET[,key=value…]] it prints the fields that differ from the defaults, and says
whether the config is valid; if it is not, it says why and exits with code 2.
"""

import re
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from ferjax.commands import framework
from ferjax.config import defaults, flat, idle_fields, table, unknown_field, validate
from ferjax.errors import UserError
from ferjax.files import to_json
from ferjax.registry import verb

_CONFIG = framework.config_flag()
_JSON = flags.DEFINE_bool("json", False, "Print JSON.")
_MARKDOWN = flags.DEFINE_bool("markdown", False, "Print all fields as docs/configuration.md.")


@verb("training", "list the config's fields, or check a recipe")
def main(argv: list[str]) -> int:
    """Prints all fields, one field or group, or a recipe's own values; a recipe must be valid."""
    names, recipe = argv[1:], _CONFIG.value
    if len(names) + (recipe is not None) + _MARKDOWN.value > 1:
        raise UserError("give only one of these: a field, --config=FILE, --markdown")
    if recipe is not None:
        _print_recipe(recipe)
    elif _MARKDOWN.value:
        print(table.markdown(), end="")
    else:
        _print_fields(names[0] if names else "")
    return 0


def _print_fields(name: str) -> None:
    """Prints the field or the group of this name; without one all fields."""
    groups = table.by_group()
    rows = {row.name: row for row in table.ROWS}
    # The fields of all stages are the same ones.
    schema_name = re.sub(r"^stages\.stage\d+\.", "stages.stageN.", name)
    if schema_name in rows and name not in groups:
        row = rows[schema_name]
        _print(table.as_json(row) if _JSON.value else table.one(row))
    elif not name or name in groups:
        chosen = groups[name] if name else table.ROWS
        _print([table.as_json(row) for row in chosen] if _JSON.value else table.text(chosen))
    else:
        raise UserError(unknown_field(name, [*rows, *groups]))


def _print_recipe(config: ConfigDict) -> None:
    """Prints the fields that differ from the defaults, and whether the config is valid.

    Raises:
        UserError: it is not.
    """
    error = None
    try:
        validate(config)
    except UserError as wrong:
        error = wrong
    known = dict(flat(defaults()))
    values = flat(config) if isinstance(config, ConfigDict) else ()
    changed = {name: value for name, value in values if name not in known or known[name] != value}
    if _JSON.value:
        _print({"changed": changed, "valid": error is None, "error": error and str(error)})
    else:
        width = max(map(len, changed), default=0)
        for name, value in changed.items():
            print(f"{name:{width}s}  {value!r}")
    if error:
        raise error
    if not _JSON.value:
        print("\nvalid; all other fields are at their defaults", *idle_fields(config), sep="\n")


def _print(answer: Any) -> None:
    print(answer if isinstance(answer, str) else to_json(answer).decode().rstrip())
