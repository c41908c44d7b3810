"""Writes metrics to MLflow: the server of MLFLOW_TRACKING_URI, the experiment of MLFLOW_EXPERIMENT_NAME."""

# Types are checked without MLflow:
# pyright: reportMissingImports=false

import importlib.util
import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import ferjax
from ferjax.errors import UserError, foreign
from ferjax.tracking import run_ids
from ferjax.training.metric_writers import Writer

logger = logging.getLogger(__name__)

_EXPERIMENT = "ferjax"  # where the user names none
_PARAMETERS = 100  # of a request, MLflow's limit
_LONGEST = 500  # letters of a parameter
_OTHER = re.compile(r"[^\w\-. :/]")  # what MLflow allows in no name


def check_installed() -> None:
    """Raises UserError unless MLflow, or its smaller part mlflow-skinny, is installed."""
    if importlib.util.find_spec("mlflow") is None:
        raise UserError("--tracking=mlflow needs MLflow: pip install 'ferjax[mlflow]'")


def open_writer(workdir: Path, fields: Mapping[str, Any]) -> Writer:
    """Begins a run, or goes on in the one that the workdir has there.

    Args:
        workdir: of the run.
        fields: of the config, `group.field` → value; the parameters of a new run.

    Raises:
        UserError: the server cannot be reached, is another than before, or does not know the run any more.
    """
    # By itself MLflow tries for minutes, which a training would stand still.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # to its makers, beside what the server gets
    import mlflow

    server = _without_secrets(mlflow.get_tracking_uri())
    stored = run_ids.read(workdir, "mlflow")
    if stored and stored.get("server") != server:
        raise UserError(
            f"{workdir} is tracked at {stored.get('server')}, and MLFLOW_TRACKING_URI leads to {server}: set "
            f"it back, or remove {workdir / run_ids.FILE} to begin another run there"
        )
    try:
        client = mlflow.MlflowClient()
        run = stored.get("run_id") or _begin(client, workdir)
        run_ids.write(workdir, "mlflow", {"server": server, "run_id": run})
        client.update_run(run, status="RUNNING")
        if not client.get_run(run).data.params:
            _send_parameters(client, run, fields)
        seen = _seen(client, run)
    except Exception as error:  # MLflow's own, of a database's driver, of a damaged file
        reason = foreign(error).replace(mlflow.get_tracking_uri(), server)
        raise UserError(f"MLflow at {server} does not take the run: {reason}") from error
    return _MlflowWriter(client, run, seen)


def _begin(client: Any, workdir: Path) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    tags = {"ferjax": ferjax.__version__}
    return client.create_run(experiment, run_name=workdir.resolve().name, tags=tags).info.run_id


def _send_parameters(client: Any, run: str, fields: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    parameters = [Param(_OTHER.sub("_", key), str(value)[:_LONGEST]) for key, value in fields.items()]
    for start in range(0, len(parameters), _PARAMETERS):
        client.log_batch(run, params=parameters[start : start + _PARAMETERS])


def _seen(client: Any, run: str) -> dict[str, int]:
    """Returns the last step of each split that the server has."""
    last: dict[str, int] = {}
    for key in client.get_run(run).data.metrics:
        split = key.partition("/")[0]
        steps = [metric.step for metric in client.get_metric_history(run, key)]
        last[split] = max([last.get(split, -1), *steps])
    return last


def _without_secrets(uri: str) -> str:
    """Leaves a user's name and password out of an address; UserError if it is none."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise UserError(f"MLFLOW_TRACKING_URI is no address: {error}") from error
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else uri


class _MlflowWriter:
    """Sends each row at once, whole. What a resumed run computes again is there already and is left out.

    While the server cannot be reached rows wait, and the training goes on.
    """

    def __init__(self, client: Any, run: str, seen: dict[str, int]) -> None:
        self._client, self._run, self._seen = client, run, seen
        self._waiting: list[list[Any]] = []
        self._silent = False
        self._tested = "test" in seen

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Sends one row, after those that wait."""
        from mlflow.entities import Metric

        self._tested |= split == "test"
        if step <= self._seen.get(split, -1):
            return
        now = round(1000 * time.time())
        self._waiting.append(
            [
                Metric(_OTHER.sub("_", f"{split}/{name}"), float(value), now, int(step))
                for name, value in values.items()
            ]
        )
        self._send()

    def close(self) -> None:
        """Sends what waits, and says how the run ended: killed, if it can go on."""
        from mlflow.exceptions import MlflowException

        self._send()
        if self._waiting:
            logger.warning(
                f"MLflow did not get the last {len(self._waiting)} rows; metrics.jsonl of the run has them"
            )
            return
        try:
            self._client.set_terminated(self._run, "FINISHED" if self._tested else "KILLED")
        except MlflowException as error:
            logger.warning(f"MLflow does not know that the run ended: {foreign(error)}")

    def _send(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            while self._waiting:
                self._client.log_batch(self._run, metrics=self._waiting[0])
                self._waiting.pop(0)
            self._silent = False
        except MlflowException as error:
            if not self._silent:
                logger.warning(f"MLflow does not take metrics, which wait here: {foreign(error)}")
            self._silent = True
