"""Reads the operations of a training step, where `ferjax aot` has left them in a run's folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.files import read_json

FILE = "aot.json"


def read_operations(workdir: Path, result: Mapping[str, Any]) -> float | None:
    """Returns the floating-point operations of a training step for one image; None where no file tells.

    `ferjax aot --config=RUN/config.json --topology=here --json=RUN/aot.json` writes the file.

    Args:
        workdir: the run's folder.
        result: the content of its `result.json`.

    Raises:
        UserError: the file is damaged, or of another network.
    """
    path = workdir / FILE
    if not path.exists():
        return None
    content = read_json(path)
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict) or not all(
        _is_number(first.get(name)) for name in ("flops", "devices", "batch_size", "parameters")
    ):
        raise UserError(f"{path} is not what ferjax aot --json writes; remove it, or write it again")
    known = result.get("parameters")
    if known is not None and known != first["parameters"]:
        raise UserError(
            f"{path} is of another network ({first['parameters']:,} parameters, the run has {known:,}); "
            "remove it, or write it again"
        )
    return first["flops"] * first["devices"] / first["batch_size"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
