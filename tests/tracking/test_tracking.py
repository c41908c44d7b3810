"""Metrics on tracking servers: the same as in the run's folder, in one run, whatever ends the training."""

import importlib.util
import json
import math
import os
import socket
import struct
import subprocess
import sys
import types

import pytest
import tiny

from ferjax.errors import UserError
from ferjax.tracking import run_ids, trackers


def installed(*packages):
    return all(importlib.util.find_spec(package) for package in packages)


MLFLOW = pytest.mark.skipif(
    not installed("mlflow", "sqlalchemy"),
    reason="MLflow with SQLite (requirements-tracking.txt) is not installed",
)
WANDB = pytest.mark.skipif(
    not installed("wandb"), reason="Weights & Biases (requirements-tracking.txt) is not installed"
)
BLOCK = 1 << 15  # bytes
TRAIN = {"loss": 1.5, "accuracy": 0.25}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An SQLite store of MLflow."""
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of this test")
    return uri


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def opened(name, workdir, **fields):
    config = tiny.tiny_configuration(data__dir="/home/somebody/data", **fields)
    (writer,) = trackers.open_writers([name], workdir, config)
    return writer


def history(uri, workdir):
    """The run of a workdir on an MLflow server, and its metrics as rows: (step, split) → values."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    run = client.get_run(run_ids.read(workdir, "mlflow")["run_id"])
    rows = {}
    for key in run.data.metrics:
        split, _, name = key.partition("/")
        for metric in client.get_metric_history(run.info.run_id, key):
            values = rows.setdefault((metric.step, split), {})
            assert name not in values  # nothing is there twice
            values[name] = metric.value
    return run, rows


def own_rows(workdir):
    """The same of `metrics.jsonl`."""
    return {(row.pop("step"), row.pop("split")): row for row in tiny.rows(workdir)}


def test_a_package_that_is_not_whole_and_a_variable_that_is_wrong_are_told(monkeypatch, workdir):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"--tracking=wandb cannot be imported .* install it again"):
        opened("wandb", workdir)

    def init(**_):
        raise ValueError("1 validation error for Settings\nmode")

    fake = types.SimpleNamespace(
        init=init, Settings=dict, errors=types.SimpleNamespace(Error=type("Error", (Exception,), {}))
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with pytest.raises(
        UserError, match="does not take the run: ValueError: 1 validation error for Settings m"
    ):
        opened("wandb", workdir)


def test_unknown_and_missing_trackers_are_told(monkeypatch):
    with pytest.raises(UserError, match="--tracking takes some of mlflow, wandb, not tensorboard"):
        trackers.check(["mlflow", "tensorboard"])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, words in (("mlflow", "MLflow"), ("wandb", "Weights & Biases")):
        with pytest.raises(
            UserError, match=rf"--tracking={name} needs {words}: pip install 'ferjax\[{name}\]'"
        ):
            trackers.check([name])
    trackers.check([])


def test_what_each_tracker_keeps_stays_apart(tmp_path):
    assert run_ids.read(tmp_path, "wandb") == {}
    run_ids.write(tmp_path, "mlflow", {"run_id": "1"})
    run_ids.write(tmp_path, "wandb", {"run_id": "2"})
    assert [run_ids.read(tmp_path, name) for name in trackers.NAMES] == [{"run_id": "1"}, {"run_id": "2"}]


@pytest.mark.parametrize("content", ["[]", "{", '{"mlflow": 3}', '{"mlflow": {"run_id": 3}}'])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / "tracking.json").write_text(content)
    with pytest.raises(UserError, match=r"tracking\.json"):
        run_ids.read(tmp_path, "mlflow")


@MLFLOW
@pytest.mark.slow
def test_mlflow_gets_parameters_and_rows(store, workdir):
    writer = opened("mlflow", workdir)
    writer.write(10, "train", {**TRAIN, "recall é(1)": math.nan})
    writer.write(10, "validation", TRAIN)
    writer.close()
    run, rows = history(store, workdir)
    assert run.info.status == "KILLED"  # not tested, so it can go on
    assert run.info.run_name == "run"
    assert run.data.params["model.name"] == "tiny"
    assert "data.dir" not in run.data.params
    assert rows[10, "validation"] == TRAIN
    assert math.isnan(rows[10, "train"].pop("recall é_1_"))
    assert rows[10, "train"] == TRAIN


@MLFLOW
@pytest.mark.slow
def test_mlflow_goes_on_in_the_same_run_without_repeating(store, workdir):
    first = opened("mlflow", workdir)
    for step in (10, 20, 30):
        first.write(step, "train", TRAIN)
    second = opened("mlflow", workdir)  # the first was killed, and its last checkpoint was of step 10
    for step in (20, 30, 40):
        second.write(step, "train", TRAIN)
    second.write(20, "test", TRAIN)
    second.close()
    run, rows = history(store, workdir)
    assert sorted(rows) == [(10, "train"), (20, "test"), (20, "train"), (30, "train"), (40, "train")]
    assert run.info.status == "FINISHED"


@MLFLOW
@pytest.mark.slow
def test_another_server_or_a_lost_run_is_told(store, workdir, tmp_path, monkeypatch):
    opened("mlflow", workdir).close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(UserError, match=r"is tracked at sqlite.*store\.db, and MLFLOW_TRACKING_URI leads to"):
        opened("mlflow", workdir)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    stored = json.loads((workdir / "tracking.json").read_text())
    run_ids.write(workdir, "mlflow", {**stored["mlflow"], "run_id": "0" * 32})
    with pytest.raises(UserError, match="does not take the run: MlflowException"):
        opened("mlflow", workdir)


def test_secrets_of_the_address_are_not_kept():
    from ferjax.tracking.mlflow_writer import _without_secrets

    assert _without_secrets("https://me:secret@host:5000/a") == "https://host:5000/a"
    assert _without_secrets("sqlite:////a/b@c.db") == "sqlite:////a/b@c.db"
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI is no address: Invalid IPv6 URL"):
        _without_secrets("http://[bad")


@MLFLOW
def test_a_file_that_is_no_database_is_told(workdir, tmp_path, monkeypatch):
    (tmp_path / "store.db").write_text("no database " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    with pytest.raises(UserError, match=r"does not take the run: .*file is not a database"):
        opened("mlflow", workdir)


@MLFLOW
@pytest.mark.slow
def test_rows_wait_while_the_server_is_away(store, workdir, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    writer = opened("mlflow", workdir)
    works = writer._client.log_batch

    def away(*_, **__):
        raise MlflowException("nobody answers")

    monkeypatch.setattr(writer._client, "log_batch", away)
    writer.write(10, "train", TRAIN)
    writer.write(20, "train", TRAIN)
    own = [record for record in caplog.records if record.name.startswith("ferjax")]
    assert len(own) == 1  # said once
    assert "nobody answers" in caplog.text
    monkeypatch.setattr(writer._client, "log_batch", works)
    writer.write(30, "train", TRAIN)
    monkeypatch.setattr(writer._client, "log_batch", away)
    writer.write(40, "train", TRAIN)
    writer.close()
    assert "did not get the last 1 rows; metrics.jsonl" in caplog.text
    assert sorted(history(store, workdir)[1]) == [(10, "train"), (20, "train"), (30, "train")]


def records(path):
    """The records of a file of Weights & Biases, which has the format of LevelDB's logs."""
    content, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = BLOCK - place % BLOCK
        if left < 7:  # the rest of a block that is too short for a header
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def offline_rows(workdir):
    """What offline runs hold: the id of the run, its rows and its summary, in order of time."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for path in sorted(workdir.glob("wandb/offline-run-*/*.wandb"), key=os.path.getmtime):
        rows, summary, identity = [], {}, ""
        for content in records(path):
            record = wandb_internal_pb2.Record.FromString(content)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                identity = record.run.run_id
            elif kind == "history":
                rows.append(by_key(record.history.item))
            elif kind == "summary":
                summary |= by_key(record.summary.update)
        found.append((identity, rows, summary))
    return found


def by_key(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SERVICE", "")  # what a run of this process sets shall not reach commands
    monkeypatch.delenv("WANDB_SERVICE")


@WANDB
@pytest.mark.slow
def test_wandb_offline_keeps_the_rows_of_one_run(workdir, offline):
    first = opened("wandb", workdir)
    first.write(10, "train", TRAIN)
    first.write(10, "validation", TRAIN)
    first.close()
    second = opened("wandb", workdir)
    second.write(20, "train", TRAIN)
    second.write(10, "test", TRAIN)
    second.close()
    (one, first_rows, _), (other, second_rows, summary) = offline_rows(workdir)
    assert one == other == run_ids.read(workdir, "wandb")["run_id"]
    assert [row["_step"] for row in first_rows + second_rows] == [10, 20]
    assert first_rows[0]["validation/accuracy"] == first_rows[0]["train/accuracy"] == 0.25
    assert (summary["test/accuracy"], summary["test/step"]) == (0.25, 10)


@MLFLOW
@WANDB
@pytest.mark.slow
def test_a_killed_training_goes_on_in_the_same_runs(tiny_run, store, tmp_path, offline):
    workdir, environment = tmp_path / "training", {
        "MLFLOW_TRACKING_URI": store, "MLFLOW_EXPERIMENT_NAME": "of this test", "WANDB_MODE": "offline",
    }  # fmt: skip
    flags = ["--tracking=mlflow,wandb", "--config.checkpoint.every_steps=4"]
    with tiny_run.start(workdir, *flags, TINY_DIES_BEFORE="12", **environment) as command:
        assert command.finish() == -9, command.text
    before, rows = history(store, workdir)
    assert rows
    tiny_run.run(workdir, *flags, **environment)
    after, rows = history(store, workdir)
    assert after.info.run_id == before.info.run_id
    assert after.info.status == "FINISHED"
    expected = own_rows(workdir)
    assert rows.keys() == expected.keys()
    for place, values in rows.items():
        assert tiny.steady(values) == pytest.approx(tiny.steady(expected[place]), nan_ok=True), place
    (one, _, _), (other, _, summary) = offline_rows(workdir)
    assert one == other
    assert summary["test/accuracy"] == json.loads((workdir / "result.json").read_text())["test"]["accuracy"]
    assert "/home" not in json.dumps(after.data.params)


@MLFLOW
@pytest.mark.slow
def test_a_real_server_gets_the_rows(tmp_path, workdir, monkeypatch):
    """MLflow's own server with SQLite, on a port of this machine that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1",
        f"--backend-store-uri=sqlite:///{tmp_path / 'server.db'}",
        f"--default-artifact-root={tmp_path / 'files'}",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    ) as server:
        try:
            assert any("Application startup complete" in line for line in server.stdout)
            uri = f"http://127.0.0.1:{port}"
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            for steps in ((10, 20), (20, 30)):
                writer = opened("mlflow", workdir)
                for step in steps:
                    writer.write(step, "train", TRAIN)
                writer.close()
            run, rows = history(uri, workdir)
            assert sorted(rows) == [(step, "train") for step in (10, 20, 30)]
            assert rows[20, "train"] == TRAIN
            assert run.data.params["model.name"] == "tiny"
        finally:
            server.terminate()


@pytest.mark.slow
def test_a_wrong_command_is_one_line(shell, tmp_path):
    line = tiny.only_line(
        shell("train", f"--config={tiny.CONFIG}", f"--workdir={tmp_path / 'run'}", "--tracking=tensorboard")
    )
    assert line == "--tracking takes some of mlflow, wandb, not tensorboard"
    assert not (tmp_path / "run").exists()
