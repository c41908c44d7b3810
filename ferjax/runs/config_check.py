"""Reads `config.json`, and compares the config of a run with the one that it began with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config import FREE_FIELDS, defaults, flat
from ferjax.config.field import shown
from ferjax.errors import UserError, listed
from ferjax.files import plain, read_json

_SHOWN = 30  # letters of a value in a message


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """Reads the file of a run's config: group → field → value.

    Raises:
        UserError: it is missing, cannot be read, or is not the config of a run.
    """
    content = read_json(path)
    check_groups(content, path)
    return content


def check_groups(content: Any, path: Path) -> None:
    """Raises UserError unless a content is known groups of fields, of which `model` has a name."""
    groups = isinstance(content, dict) and all(isinstance(group, dict) for group in content.values())
    name = content.get("model", {}).get("name") if groups else None
    if not isinstance(name, str) or not name:
        raise UserError(f"{path} is not the config of a run; restore the file")
    if unknown := sorted(content.keys() - defaults().keys()):
        raise UserError(f"{path}: a config has no group {_short(shown(unknown[0]))}; restore the file")


def fixed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that must not change while a run lasts, ready for JSON: `group.field` → value.

    A run of an earlier version lacks newer fields; it ran with what are their defaults now.
    """
    return _completed(dict(flat(plain(config))))


def _completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    complete = dict(flat(plain(defaults().to_dict()))) | dict(fields)
    return {name: value for name, value in complete.items() if name not in FREE_FIELDS}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describes the fields that differ, for a message; empty if none does."""
    differing = [
        f"{_short(field)} was {_text(before, field)}, is {_text(now, field)}"
        for field in sorted(before.keys() | now.keys())
        if before.get(field) != now.get(field)
    ]
    return listed(differing, most=3, separator="; ")


def _text(fields: Mapping[str, Any], field: str) -> str:
    return _short(shown(fields.get(field, "absent")))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def check_unchanged(meta: Mapping[str, Any], config: Mapping[str, Any], path: Path) -> None:
    """Compares the config with the one that a checkpoint recorded; earlier versions recorded none.

    Args:
        meta: of the checkpoint.
        config: of now.
        path: the file that holds it.

    Raises:
        UserError: they differ.
    """
    recorded = meta.get("config")
    changed = differences(_completed(recorded), fixed_fields(config)) if recorded else ""
    if changed:
        raise UserError(
            f"{path} was changed since its checkpoints were written ({changed}): put that back, or take "
            "another --workdir"
        )
