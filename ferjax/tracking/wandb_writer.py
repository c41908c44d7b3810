"""Writes metrics to Weights & Biases, set up by its own variables: WANDB_MODE, WANDB_PROJECT and others."""

# Types are checked without Weights & Biases:
# pyright: reportMissingImports=false

import importlib.util
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError, foreign
from ferjax.tracking import run_ids
from ferjax.training.metric_writers import Writer

_PROJECT = "ferjax"  # where the user names none


def check_installed() -> None:
    """Raises UserError unless the package is installed."""
    if importlib.util.find_spec("wandb") is None:
        raise UserError("--tracking=wandb needs Weights & Biases: pip install 'ferjax[wandb]'")


def open_writer(workdir: Path, fields: Mapping[str, Any]) -> Writer:
    """Begins a run, or goes on in the one that the workdir has there; its files lie in `wandb/` there.

    Args:
        workdir: of the run.
        fields: of the config, `group.field` → value.

    Raises:
        UserError: the server cannot be reached or refuses, or a variable has a value that W&B does not take.
    """
    import wandb

    stored = run_ids.read(workdir, "wandb").get("run_id")
    run_id = stored or uuid.uuid4().hex[:8]
    if not stored:  # before it begins: a kill in between must not make two runs
        run_ids.write(workdir, "wandb", {"run_id": run_id})
    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            name=os.environ.get("WANDB_NAME") or workdir.resolve().name,
            dir=str(workdir),
            id=run_id,
            resume="allow",
            config=dict(fields),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, disable_code=True),
        )
    except (wandb.errors.Error, ValueError) as error:  # the latter of a variable with a wrong value
        raise UserError(
            f"Weights & Biases does not take the run: {foreign(error)}; WANDB_MODE=offline needs no server"
        ) from error
    print(f"Weights & Biases: {run.url or f'offline, in {Path(run.dir).parent}; wandb sync sends it'}")
    return _WandbWriter(run)


class _WandbWriter:
    """Logs a row at its training step; the test, which has an earlier one, goes to the run's summary.

    Rows of steps that the server has already, which a resumed run computes again, are dropped by W&B.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._tested = False

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Logs one row; W&B sends it when a row of a later step comes, or at the end."""
        named = {f"{split}/{name}": float(value) for name, value in values.items()}
        if split == "test":
            self._tested = True
            self._run.summary.update({**named, "test/step": int(step)})
        else:
            self._run.log(named, step=int(step))

    def close(self) -> None:
        """Sends what is held back; a run that was not tested counts as failed until it goes on."""
        self._run.finish(exit_code=0 if self._tested else 1)
