"""Processes are known by machine, number and start, on Linux and by ps."""

import os
import shutil
import subprocess
import sys

import pytest

from ferjax.platform import living
from ferjax.platform.living import lives, this_process

SCRIPT = (
    "import json, sys; from ferjax.platform.living import this_process; print(json.dumps(this_process()))"
)


@pytest.fixture(params=["proc", "ps"])
def system(request, monkeypatch, tmp_path):
    if request.param == "ps":
        if not shutil.which("ps"):
            pytest.skip("this machine has no ps")
        monkeypatch.setattr(living, "_PROCESSES", tmp_path / "none")
    return request.param


def test_this_process_lives_and_so_does_a_child(system):
    assert lives(this_process()) is True
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        told = {"machine": living._machine(), "pid": child.pid, "started": living._started(child.pid)}
        assert lives(told) is True
    assert lives(told) is False


def test_a_child_that_has_ended_and_was_not_waited_for_does_not_live(system):
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    told = {"machine": living._machine(), "pid": child.pid, "started": living._started(child.pid)}
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert lives(told) is False
    child.wait()
    child.stdout.close()


def test_a_number_that_was_given_again_is_another_process(system):
    assert lives(this_process() | {"started": "1"}) is False


@pytest.mark.parametrize(
    "changes", [{"machine": "another"}, {"machine": None}, {"pid": None}, {"pid": "1"}, {"pid": True},
                {"started": None}, {"started": ""}],
)  # fmt: skip
def test_what_cannot_be_known(system, changes):
    assert lives(this_process() | changes) is None
    assert lives({}) is None


def test_another_container_of_the_same_host_is_another_machine(monkeypatch):
    mine = this_process()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    assert lives(mine) is None


def test_a_host_of_the_same_name_is_another_machine_where_no_start_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(living, "_PROCESSES", tmp_path)
    mine = this_process()
    monkeypatch.setattr(living.uuid, "getnode", lambda: 1)
    assert lives(mine) is None


def test_a_system_that_says_nothing_of_processes(monkeypatch, tmp_path):
    monkeypatch.setattr(living, "_PROCESSES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert this_process()["started"] is None
    assert lives(this_process()) is None


def test_the_same_is_told_from_another_process():
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert f'"machine": "{living._machine()}"' in told.stdout
