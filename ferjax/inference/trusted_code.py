"""Keeps a bundle from making ferjax import code.

A name `package.module:Object` in a config stands for code outside ferjax, and importing a module runs it. A
run's workdir is the user's own folder and may name such code. A bundle may come from anybody, so each such
name in it is refused before anything looks it up, unless the environment variable FERJAX_TRUSTED_CODE lists
it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError

VARIABLE = "FERJAX_TRUSTED_CODE"
# Fields whose text may hold a colon and is never looked up as a name: paths, patterns, `subject:7`,
# `fc/kernel:0.1`.
_FREE_TEXT = {
    "data.dir", "data.fold", "init.from", "init.new", "init.freeze", "loss.l2",
    "stages.*.freeze", "stages.*.auxiliary_losses",
}  # fmt: skip
_SHOWN = 100  # letters of a name in the message


def check_trusted(config: Any, path: Path) -> None:
    """Refuses a config that names code which the user has not trusted. Imports nothing.

    Args:
        config: the content of a `config.json`, before any other check.
        path: of the bundle, for the message.

    Raises:
        UserError: a field other than free text holds a name with a colon that FERJAX_TRUSTED_CODE does not
            list.
    """
    trusted = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")}
    for field, name in _names(config):
        if ":" in name and name not in trusted:
            shown = name if name.isprintable() and len(name) <= _SHOWN else ascii(name)[:_SHOWN]
            raise UserError(
                f"{path} names code outside ferjax, {field}={shown}, and importing it would run it; if you "
                f"have that code and trust it, set the environment variable {VARIABLE}={shown}"
            )


def _names(config: Any) -> Iterator[tuple[str, str]]:
    """Yields (field, text) for every text in a config that might be looked up as a name."""
    left = [("", config)]  # not by recursion: a hostile file may be nested deeply
    while left:
        field, value = left.pop()
        if isinstance(value, Mapping):
            left += [(f"{field}.{key}" if field else str(key), item) for key, item in value.items()]
        elif isinstance(value, (list, tuple)):
            left += [(field, item) for item in value]
        elif isinstance(value, str) and _pattern(field) not in _FREE_TEXT:
            if field == "augment.extra":  # NAME=STRENGTH, separated by commas
                yield from ((field, part.partition("=")[0].strip()) for part in value.split(","))
            else:
                yield field, value


def _pattern(field: str) -> str:
    """Replaces the name of a stage: `stages.stage1.freeze` becomes `stages.*.freeze`."""
    group, _, rest = field.partition(".")
    return f"stages.*.{rest.partition('.')[2]}" if group == "stages" else field
