"""Two processes with one device each give what one process gives, and a run goes on with another number."""

import contextlib
import json
import signal
import socket

import numpy as np
import pytest
import tiny

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def two(tiny_run, workdir, *flags):
    """Starts the verb train in two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    joined = [f"--coordinator=127.0.0.1:{port}", "--processes=2", *flags]
    with (
        tiny_run.start(workdir, *joined, "--process=0") as first,
        tiny_run.start(workdir, *joined, "--process=1") as second,
    ):
        yield first, second


def assert_near_numbers(workdir, reference):
    """All numbers are those of the other run, up to the order in which devices add."""
    (state, meta), (expected, expected_meta) = tiny.newest(workdir), tiny.newest(reference)
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=2e-3, atol=2e-5, err_msg=name)
    np.testing.assert_array_equal(state[".rng"], expected[".rng"])
    for field in ("best_step", "bad_evaluations", "plateau"):
        assert meta[field] == expected_meta[field]
    for row, other in zip(tiny.rows(workdir), tiny.rows(reference), strict=True):
        assert row.pop("split") == other.pop("split")
        assert tiny.steady(row) == pytest.approx(tiny.steady(other), rel=1e-4)
    found, wanted = tiny.result(workdir), tiny.result(reference)
    assert found["test"]["confusion_matrix"] == wanted["test"]["confusion_matrix"]
    assert found["split_digests"] == wanted["split_digests"]
    tiny.assert_once(workdir)


def test_two_processes_are_one(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    with two(tiny_run, workdir) as (first, second):
        assert first.finish() == 0, first.text
        assert second.finish() == 0, second.text
    assert "2 × cpu" in first.text
    assert not any(line.startswith((">>", "step ")) for line in second.lines)  # only the first one writes
    assert json.loads((workdir / "result.json").read_text())["device"]["processes"] == 2
    assert_near_numbers(workdir, never_killed)


def test_two_processes_stop_together_and_one_goes_on(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    with two(tiny_run, workdir) as (first, second):
        assert first.reaches(8), first.text
        first.process.send_signal(signal.SIGTERM)
        assert first.finish() == 128 + signal.SIGTERM, first.text
        assert second.finish() in (128, 128 + signal.SIGTERM), second.text
    at = max(int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert 8 <= at < 22
    assert f"going on from step {at}" in tiny_run.run(workdir)
    assert_near_numbers(workdir, never_killed)


def test_one_process_is_killed_and_two_go_on_past_a_damaged_checkpoint(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    with tiny_run.start(workdir) as command:
        assert command.reaches(12), command.text
        command.process.kill()
        command.finish()
    steps = sorted(int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*") if path.name.isdigit())
    for file in (workdir / "checkpoints" / str(steps[-1]) / "state").rglob("d/*"):
        file.unlink()
    with two(tiny_run, workdir) as (first, second):
        assert first.finish() == 0, first.text
        assert second.finish() == 0, second.text
    assert f"going on from step {steps[-2]}" in first.text
    assert_near_numbers(workdir, never_killed)


def test_bad_input_ends_every_process(tiny_run, tmp_path):
    with two(tiny_run, tmp_path / "run", "--config.train.batch_size=15") as commands:
        for command in commands:
            assert command.finish() == 2
            assert command.lines[-1].startswith("ferjax: error: train.batch_size 15 cannot be divided over 2")
