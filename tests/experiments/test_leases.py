"""Leases: one holder at a time, whatever happens to it."""

import json
import os
import subprocess
import sys
import threading

import pytest
from fake_clock import Clock

from ferjax.errors import UserError
from ferjax.experiments.leases import Leases


def elsewhere(folder, name="run"):
    """Makes the newest lease that of another machine; returns its file."""
    path = max(folder.glob(f"{name}.*"))
    path.write_text(json.dumps({"machine": "another", "pid": 1, "started": "1"}))
    return path


def test_one_takes_it_and_gives_it_back(tmp_path):
    first, second = Leases(tmp_path), Leases(tmp_path)
    with first.take("run") as lease:
        assert second.take("run") is None
        assert first.take("run") is None
        assert second.take("another") is not None
        assert not lease.lost()
    assert second.take("run") is not None
    assert first.take("run") is None


def test_many_at_once_and_one_gets_it(tmp_path):
    start, taken = threading.Barrier(8), []

    def take():
        leases = Leases(tmp_path)
        start.wait()
        taken.append(leases.take("run"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in taken if lease]) == 1


def test_that_of_a_dead_process_is_free_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from ferjax.experiments.leases import Leases; "
        "assert Leases(Path(sys.argv[1])).take('run')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert list(tmp_path.glob("run.*"))
    assert Leases(tmp_path).take("run") is not None


def test_a_number_that_another_process_has_by_now_is_not_taken_for_the_holder(tmp_path):
    Leases(tmp_path).take("run")
    path = tmp_path / "run.1"
    holder = json.loads(path.read_text())
    assert holder["pid"] == os.getpid()
    path.write_text(json.dumps({**holder, "started": "1"}))
    assert Leases(tmp_path).take("run") is not None


@pytest.mark.parametrize("content", ["", '{"mach', "\0\0", "[1]", "1", '{"machine": 1}', '{"free": false}'])
def test_one_that_cannot_be_read_expires(tmp_path, content):
    clock = Clock()
    leases = Leases(tmp_path, expiry=100, clock=clock)
    leases.take("run")
    (tmp_path / "run.1").write_text(content)
    assert leases.take("run") is None
    clock.now = 101.0
    assert leases.take("run") is not None


def test_that_of_another_machine_expires_when_it_is_not_touched(tmp_path):
    clock = Clock()
    leases = Leases(tmp_path, expiry=100, clock=clock)
    held = leases.take("run")
    path = elsewhere(tmp_path)
    for _ in range(3):
        assert leases.take("run") is None
        clock.now += 60  # longer than the limit together, but it is touched meanwhile
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**12))  # its clock may be wrong, and go backwards
    assert leases.take("run") is None
    clock.now += 101
    assert not held.lost()
    assert leases.take("run") is not None
    assert held.lost()


def test_a_holder_that_was_silent_for_too_long_ends_at_once(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from ferjax.experiments.leases import Leases\n"
        "with Leases(Path(sys.argv[1]), beat=0.01).take('run'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        (tmp_path / "run.2").write_text("{}")
        assert "another worker goes on with that run" in holder.stderr.read()
        assert holder.wait() == 75


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        Leases(tmp_path / "file" / "queue")
