"""A run that was killed, stopped or finished, and started again, ends as one that never was."""

import random
import shutil
import signal

import pytest
import tiny

from ferjax.runs.checkpoints import Checkpoints


def assert_as_never_killed(workdir, reference):
    """Every array, counter and number is the same, and the rows are there once."""
    (state, meta), (expected_state, expected_meta) = tiny.newest(workdir), tiny.newest(reference)
    tiny.assert_same(state, expected_state)
    timed = {"seconds", "training_seconds", "waited_seconds", "images", "checksum"}
    assert {k: v for k, v in meta.items() if k not in timed} == {
        k: v for k, v in expected_meta.items() if k not in timed
    }
    assert tiny.result(workdir) == tiny.result(reference)
    assert tiny.steady(tiny.rows(workdir)) == tiny.steady(tiny.rows(reference))
    tiny.assert_once(workdir)


def assert_a_kill_changes_nothing(tiny_run, shell, folder, flags):
    """Kills a run with these flags in the middle, ends it, and evaluates; returns the other run."""
    whole, killed = folder / "whole", folder / "killed"
    tiny_run.run(whole, *flags)
    with tiny_run.start(killed, *flags) as command:
        assert command.reaches(9), command.text
        command.process.kill()
    assert "going on from step" in tiny_run.run(killed, *flags)
    assert_as_never_killed(killed, whole)
    done = shell("evaluate", f"--workdir={whole}", f"--data_dir={tiny_run.data}")
    assert done.returncode == 0, done.stderr
    return whole


def test_the_run_to_compare_with_has_state_of_every_kind(never_killed):
    """Otherwise the tests below would prove less than they say."""
    state, meta = tiny.newest(never_killed)
    assert state[".step"] == 22
    assert state[".lr_scale"] < 1  # the plateau rule fell
    groups = {name.split("[")[0] for name in state}
    assert groups == {
        ".step", ".params", ".batch_stats", ".opt_state", ".ema", ".rng", ".lr_scale",
    }  # fmt: skip
    assert any("trace" in name for name in state)  # momentum
    assert 0 < meta["best_step"] <= 22
    tiny.assert_once(never_killed)
    evaluated = [row["step"] for row in tiny.rows(never_killed) if row["split"] == "validation"]
    assert evaluated == [3, 6, 9, 12, 15, 18, 22]


@pytest.mark.slow
def test_killed_at_random_steps(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    for step in sorted(random.Random(1).sample(range(1, 22), 4)):
        with tiny_run.start(workdir) as command:
            assert command.reaches(step), command.text
            command.process.kill()
            assert command.finish() == -signal.SIGKILL
    output = tiny_run.run(workdir)
    assert "going on from step" in output
    assert_as_never_killed(workdir, never_killed)


@pytest.mark.slow
def test_killed_before_a_checkpoint_gets_its_name(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    with tiny_run.start(workdir, TINY_DIES_BEFORE="9") as command:
        assert command.finish() == -signal.SIGKILL
    names = {path.name for path in (workdir / "checkpoints").iterdir()}
    assert "9" not in names
    (half,) = [name for name in names if not name.isdigit()]
    assert half.startswith("9")
    output = tiny_run.run(workdir)
    assert "going on from step 8" in output
    assert "damaged" not in output
    assert all(path.name.isdigit() for path in (workdir / "checkpoints").iterdir())
    assert_as_never_killed(workdir, never_killed)


@pytest.mark.slow
def test_stopped_by_signals(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    for number, step in ((signal.SIGTERM, 4), (signal.SIGINT, 11)):
        with tiny_run.start(workdir) as command:
            assert command.reaches(step), command.text
            command.process.send_signal(number)
            assert command.finish() == 128 + number
        stopped = command.lines[-1]
        assert stopped.startswith("stopped at step ")
        assert stopped.endswith(", which is saved; the same command goes on from there")
        assert "Traceback" not in command.text
        at = int(stopped.split()[3].rstrip(","))
        assert max(map(int, (p.name for p in (workdir / "checkpoints").iterdir()))) == at
    assert f"going on from step {at}" in tiny_run.run(workdir)
    assert_as_never_killed(workdir, never_killed)


@pytest.mark.slow
def test_no_room_for_a_checkpoint(tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    with tiny_run.start(workdir) as command:
        assert command.reaches(5), command.text
        command.process.kill()
    # Room for everything but the arrays of a checkpoint.
    with tiny_run.start(workdir, TINY_LARGEST_FILE="9000") as command:
        assert command.finish() == 2
    (line,) = [line for line in command.lines if line.startswith("ferjax: error: ")]
    assert line == command.lines[-1]
    assert f"cannot write a checkpoint to {workdir / 'checkpoints'}: " in line
    assert "earlier checkpoints are whole" in line
    assert "Traceback" not in command.text
    output = tiny_run.run(workdir)
    assert "going on from step" in output
    assert "damaged" not in output
    assert_as_never_killed(workdir, never_killed)


@pytest.mark.slow
def test_a_finished_run_says_so_and_stays_as_it_is(never_killed, tiny_run, shell):
    before = {path: path.stat().st_mtime_ns for path in never_killed.rglob("*") if path.is_file()}
    done = shell(*tiny.train_arguments(tiny_run.data, never_killed))
    assert (done.returncode, done.stderr) == (0, "")
    said, *table = done.stdout.splitlines()
    assert said == f"{never_killed} is already finished; its result:"
    assert table[0].startswith("class")
    after = {path: path.stat().st_mtime_ns for path in never_killed.rglob("*") if path.is_file()}
    lock = never_killed / ".lock"
    assert {**after, lock: 0} == {**before, lock: 0}


@pytest.fixture
def unfinished(never_killed, tmp_path):
    """A copy of the finished run, as a kill after the test and before the result leaves it."""
    workdir = tmp_path / "run"
    shutil.copytree(never_killed, workdir)
    (workdir / "result.json").unlink()
    return workdir


@pytest.mark.slow
def test_killed_before_the_result(tiny_run, never_killed, unfinished, shell):
    done = shell(*tiny.train_arguments(tiny_run.data, unfinished))
    assert (done.returncode, done.stderr) == (0, "")
    assert "going on from step 22" in done.stdout
    assert_as_never_killed(unfinished, never_killed)


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_redone(tiny_run, never_killed, unfinished, shell):
    newest = unfinished / "checkpoints" / "22"
    tiny.flip(newest / "state")
    done = shell(*tiny.train_arguments(tiny_run.data, unfinished))
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"ferjax: warning: the checkpoint {newest} is damaged (")
    assert (unfinished / "checkpoints_damaged" / "22").is_dir()
    assert "going on from step 20" in done.stdout
    assert_as_never_killed(unfinished, never_killed)


def test_all_checkpoints_damaged(tiny_run, unfinished, shell):
    for checkpoint in (unfinished / "checkpoints").iterdir():
        shutil.rmtree(checkpoint / "state")
    count = len(list((unfinished / "checkpoints").iterdir()))
    done = shell(*tiny.train_arguments(tiny_run.data, unfinished))
    *warnings, line = done.stderr.splitlines()
    assert done.returncode == 2
    assert len(warnings) == count
    assert all(warning.startswith("ferjax: warning: the checkpoint ") for warning in warnings)
    assert line.startswith(f"ferjax: error: all {count} checkpoints in ")
    assert "are damaged" in line
    assert "start again with another --workdir" in line


def test_every_checkpoint_left_is_newest_or_best(never_killed):
    _, meta = tiny.newest(never_killed)
    left = Checkpoints(never_killed, "tiny", keep=2).steps()
    assert left == sorted({meta["best_step"], 20, 22})
