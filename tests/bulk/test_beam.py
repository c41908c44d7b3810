"""The same parts under Apache Beam, also after the command and its workers were killed."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import tiny
from many import encoded, write_folder, write_tar

from ferjax import pretrained
from ferjax.bulk.run import predict_parts
from ferjax.bulk.work import Settings
from ferjax.errors import UserError

SETTINGS = Settings(None, None, 0.0, 0.0, None, 0, "image")
needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam, an optional extra, is not installed"
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """64 pictures in files and in an archive, one of them broken."""
    folder = write_folder(tmp_path_factory.mktemp("many") / "in", 40)
    write_tar(folder / "s.tar", [*((f"{at}.png", encoded(100 + at)) for at in range(23)), ("x.png", b"x")])
    return folder


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory):
    """The parts of one process, with the network that ferjax ships: Beam's workers know no tiny one."""
    folder = tmp_path_factory.mktemp("alone") / "parts"
    total = predict_parts([str(inputs)], pretrained.shipped("faces"), SETTINGS, folder, "parquet", 8, None)
    return rows(folder), total


def rows(folder):
    return [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]


def command(inputs, folder):
    return [
        sys.executable, "-m", "ferjax", "predict", str(inputs), "--cropped", f"--parts={folder}",
        "--part_inputs=8", "--top_k=0", "--beam_option=direct_num_workers=2",
    ]  # fmt: skip


def test_a_missing_beam_is_told_before_anything_is_written(inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    for module in ("ferjax.bulk.beam_tasks", "ferjax.platform.beam_pipeline"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(UserError, match=r"--beam needs Apache Beam \(.*\): pip install 'ferjax\[beam\]'"):
        predict_parts([str(inputs)], tmp_path / "x", SETTINGS, tmp_path / "parts", "csv", 8, {})
    assert not (tmp_path / "parts").exists()


@pytest.mark.slow
@needs_beam
def test_killed_workers_and_commands_lose_and_double_nothing(inputs, alone, tmp_path):
    folder = tmp_path / "parts"
    environment = {
        **os.environ,
        **tiny.environment(tmp_path / "compiled"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    with subprocess.Popen(
        command(inputs, folder), env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as first:
        text = ""
        while first.poll() is None and " 8/64" not in text:  # the bar after the first part
            text += first.stderr.read(1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
    assert first.returncode == -signal.SIGKILL, text
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("_plan/done/*.json")}
    assert kept

    again = subprocess.run(
        command(inputs, folder), env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1, again.stderr
    assert f"{len(kept)} of 8 parts" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert rows(folder) == alone[0]
    assert "63 faces, 1 failed" in again.stderr


@pytest.mark.slow
@needs_beam
def test_what_a_worker_cannot_do_is_told(inputs, tmp_path, monkeypatch):
    """A plan that was changed after its start."""
    from ferjax.bulk import beam_tasks, run

    def spoilt(worker, todo, options):
        (tmp_path / "parts" / "_plan" / "tasks" / "00001.jsonl").write_text("{}\n")
        beam_tasks_run(worker, todo, options)

    beam_tasks_run = beam_tasks.run
    monkeypatch.setattr(beam_tasks, "run", spoilt)
    with pytest.raises(
        UserError, match=r"00001\.jsonl (cannot be read|was changed).*the same command goes on"
    ):
        run.predict_parts(
            [str(inputs)], pretrained.shipped("faces"), SETTINGS, tmp_path / "parts", "csv", 32,
            {"direct_running_mode": "in_memory", "direct_num_workers": "1"},
        )  # fmt: skip


@needs_beam
def test_bad_options_of_beam_are_told_first(inputs, tmp_path):
    with pytest.raises(UserError, match="Apache Beam has no option direct_num_wrkers"):
        predict_parts(
            [str(inputs)], tmp_path / "x", SETTINGS, tmp_path / "parts", "csv", 8, {"direct_num_wrkers": "2"}
        )
    assert not (tmp_path / "parts").exists()
