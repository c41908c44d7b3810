"""The queue of an experiment's runs: shared by workers, none done twice, idle time counted."""

import json
import threading

import pytest
import tiny
from fake_clock import Clock

from ferjax.errors import UserError
from ferjax.experiments.leases import Leases
from ferjax.experiments.queue import FOLDER, Queue, Task, workers
from ferjax.experiments.repeat import repeat
from ferjax.experiments.runs import QueueRunner
from ferjax.runs.workdir import claim

QUICK = {"checkpoint__every_steps": 0, "train__max_steps": 2}


def marks(folder, names, done):
    """Tasks that leave a file each, and their name in `done`."""

    def task(name):
        def run():
            done.append(name)
            (folder / name).touch()

        return Task(name, (folder / name).exists, run)

    return [task(name) for name in names]


@pytest.mark.parametrize("content", ["{", "[]", '{"host": "a"}'])
def test_a_damaged_record_of_a_worker_is_told(tmp_path, content):
    Queue(tmp_path).work([])
    (tmp_path / FOLDER / "worker-1.json").write_text(content)
    with pytest.raises(UserError, match=r"worker-1.json .* remove"):
        workers(tmp_path)


def test_workers_divide_the_tasks_and_none_is_done_twice(tmp_path):
    done = []
    tasks = marks(tmp_path, [f"task-{number}" for number in range(40)], done)
    queues = [Queue(tmp_path, sleep=lambda seconds: None) for _ in range(4)]
    threads = [threading.Thread(target=queue.work, args=[tasks]) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(task.name for task in tasks)
    assert sum(worker["tasks"] for worker in workers(tmp_path)) == 40


def test_a_worker_that_finds_nothing_waits_and_that_is_counted(tmp_path):
    done = []
    (task,) = marks(tmp_path, ["task"], done)
    (tmp_path / FOLDER).mkdir()
    held = Leases(tmp_path / FOLDER).take("task")

    clock = Clock(lambda number: number == 5 and task.run())  # the other worker finishes
    with held:
        Queue(tmp_path, clock=clock, sleep=clock.sleep).work([task])
    assert len(clock.naps) == 5
    (numbers,) = workers(tmp_path)
    assert (numbers["idle_seconds"], numbers["busy_seconds"]) == (clock.now, 0)
    assert done == ["task"]


def test_what_fails_is_free_for_others(tmp_path):
    def fail():
        raise UserError("bad input")

    queue = Queue(tmp_path)
    with pytest.raises(UserError, match="bad input"):
        queue.work([Task("task", lambda: False, fail)])
    assert Leases(tmp_path / FOLDER).take("task") is not None


@pytest.mark.slow
def test_a_queue_gives_what_one_process_gives(tiny_run, tiny_model, tmp_path):
    config = tiny_run.config(**QUICK)
    alone = repeat(config, tmp_path / "alone", 3)
    first = QueueRunner(tmp_path / "shared")
    second = QueueRunner(tmp_path / "shared")
    shared = repeat(config, tmp_path / "shared", 3, first)
    assert repeat(config, tmp_path / "shared", 3, second)["scores"] == shared["scores"] == alone["scores"]
    assert (first.prepared, second.prepared) == (1, 0)
    other = tiny_run.config(**QUICK, optimizer__momentum=0.5)
    with pytest.raises(UserError, match="belongs to another config"):
        repeat(other, tmp_path / "shared", 3, second)


@pytest.mark.slow
def test_a_run_whose_silent_worker_still_writes_is_waited_for(tiny_run, tiny_model, tmp_path):
    config = tiny_run.config(**QUICK)
    folder = tmp_path / "seed-0"
    held = claim(folder, config, writes=True)
    held.__enter__()
    clock = Clock(lambda number: held.__exit__(None, None, None))  # it is gone now
    runner = QueueRunner(tmp_path, Queue(tmp_path, sleep=clock.sleep))
    assert runner.run_all([(config, folder)])[0]["seed"] == config.train.seed
    assert len(clock.naps) == 1


@pytest.mark.slow
def test_the_commands_share_their_runs(tiny_run, shell, tmp_path):
    flags = [
        f"--config={tiny.CONFIG}", f"--config.data.dir={tiny_run.data}", "--config.train.max_steps=1",
        f"--workdir={tmp_path}", "--queue",
    ]  # fmt: skip
    done = shell("repeat", "-n", "2", *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "repeat.json").read_text())["seeds"] == [0, 1]
    assert sum(worker["tasks"] for worker in workers(tmp_path)) == 2
    for seed in (0, 1):
        assert (tmp_path / FOLDER / f"run-seed-{seed}.1").exists()
