"""Two processes with one device each give what one process gives, and a run goes on with another number."""

import contextlib
import json
import re
import signal
import socket

import numpy as np
import pytest
import tiny

from ferjax.errors import TRY_AGAIN

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def two(tiny_run, workdir, *flags, second=()):
    """Starts the verb train in two processes; the second one with more flags."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    joined = [f"--coordinator=127.0.0.1:{port}", "--processes=2", *flags]
    with (
        tiny_run.start(workdir, *joined, "--process=0") as first,
        tiny_run.start(workdir, *joined, "--process=1", *second) as other,
    ):
        yield first, other


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


@pytest.mark.relative  # the one above, with batches from the devices
def test_two_processes_with_the_images_on_their_devices_are_one(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    flags = ("--config.data.cache=device", "--config.train.steps_per_call=2")
    with two(tiny_run, workdir, *flags) as (first, second):
        assert first.finish() == 0, first.text
        assert second.finish() == 0, second.text
    assert "MiB of training images on every device" in first.text
    assert_near_numbers(workdir, never_killed)


@pytest.mark.parametrize(
    ("number", "signalled"),
    [
        (signal.SIGTERM, [0]),
        pytest.param(signal.SIGTERM, [0, 1], marks=pytest.mark.relative),
        pytest.param(signal.SIGINT, [1, 0], marks=pytest.mark.relative),
    ],
)
def test_two_processes_stop_together_and_one_goes_on(tiny_run, never_killed, tmp_path, number, signalled):
    """Whether one of them is signalled or, as a terminal and `timeout` do, all at once."""
    workdir = tmp_path / "run"
    with two(tiny_run, workdir) as (first, second):
        assert first.reaches(8), first.text
        for index in signalled:
            (first, second)[index].process.send_signal(number)
        for command in (first, second):
            assert command.finish() == 128 + signal.SIGTERM, command.text
    at = max(int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert 8 <= at < 22
    assert f"going on from step {at}" in tiny_run.run(workdir)
    assert_near_numbers(workdir, never_killed)


@pytest.mark.parametrize("signalled", [[0, 1], pytest.param([1], marks=pytest.mark.relative)])
def test_two_processes_end_together_before_the_first_step(tiny_run, tmp_path, signalled):
    with two(tiny_run, tmp_path / "run") as commands:
        first = commands[0]
        assert any(line.startswith("workdir") for line in first.process.stdout)
        for index in signalled:
            commands[index].process.send_signal(signal.SIGTERM)
        for command in commands:
            assert command.finish() == 128 + signal.SIGTERM, command.text
            assert "Traceback" not in command.text


def test_a_process_that_does_not_come_is_named(tiny_run, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = [f"--coordinator={address}", "--processes=2", "--process=0", "--join_limit=1"]
    with tiny_run.start(tmp_path / "run", *flags) as command:
        assert command.finish() == 2
    assert command.lines[-1].startswith(
        f"ferjax: error: of 2 processes the numbers 1 have not come to the coordinator {address} within 1 s"
    )


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.relative), 1])
def test_one_of_two_is_killed_the_other_ends_and_one_goes_on(tiny_run, never_killed, tmp_path, victim):
    workdir = tmp_path / "run"
    with two(tiny_run, workdir, "--silence_limit=10") as commands:
        assert commands[0].reaches(8), commands[0].text
        commands[victim].process.kill()
        commands[victim].finish()
        left = commands[1 - victim]
        code = left.finish()
    if victim:
        assert code == TRY_AGAIN, left.text
        assert "ferjax: error: no sign of life for 10 s from process 1 (" in left.text
    else:
        assert code != 0, left.text
        assert re.search(r"process 0, the coordinator at 127\.0\.0\.1:\d+, is gone", left.text)
    assert "the same command goes on from the last checkpoint" in left.text
    assert "going on from step" in tiny_run.run(workdir)
    assert_near_numbers(workdir, never_killed)


def test_another_config_is_refused_in_both(tiny_run, tmp_path):
    with two(tiny_run, tmp_path / "run", second=["--config.train.seed=1"]) as commands:
        for command in commands:
            assert command.finish() == 2
            assert "ferjax: error: the processes do not run the same thing" in command.lines[-1]
            assert "config train.seed is 1 there, 0 in process 0" in command.lines[-1]
    assert not (tmp_path / "run").exists()


def test_a_coordinator_that_is_not_there(tiny_run, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        flags = [f"--coordinator={address}", "--processes=2", "--process=1", "--join_limit=1"]
        with tiny_run.start(tmp_path / "run", *flags) as command:
            assert command.finish() == 2
    assert command.lines[-1].startswith(
        f"ferjax: error: the coordinator {address} could not be reached within 1 s"
    )


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
