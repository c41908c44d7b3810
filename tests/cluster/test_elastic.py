"""A run whose processes are killed at random goes on by itself, with fewer and with more of them.

`launch/local.sh -N` asks for the number of processes before each start; here the answer is one less after the
first loss, and one more than at first after the second.
"""

import os
import random
import re
import subprocess
import sys

import numpy as np
import psutil
import pytest
import tiny

LOCAL = tiny.HERE.parent / "launch" / "local.sh"
# 60 images go to 1 to 6 processes alike.
FLAGS = (
    "--config.train.batch_size=60", "--config.eval.batch_size=60", "--config.train.epochs=6",
    "--config.eval.every_epochs=2", "--config.checkpoint.every_steps=2", "--silence_limit=10",
)  # fmt: skip
STEPS = 14


@pytest.fixture(scope="module")
def undisturbed(tiny_run, tmp_path_factory):
    """The workdir of the same run in one process, never killed."""
    workdir = tmp_path_factory.mktemp("undisturbed") / "run"
    tiny_run.run(workdir, *FLAGS)
    return workdir


def started(tiny_run, workdir, numbers, restarts):
    """Starts the launcher, which reads its numbers of processes from a file, a line a start."""
    answers = workdir.parent / "numbers"
    answers.write_text("".join(f"{number}\n" for number in numbers))
    # Takes the first line away.
    ask = f"head -n 1 {answers} && sed -i 1d {answers}"
    arguments = tiny.train_arguments(tiny_run.data, workdir, *FLAGS)[1:]
    return subprocess.Popen(
        ["bash", str(LOCAL), "-N", ask, "-r", str(restarts), *arguments],
        env={
            **os.environ,
            **tiny.environment(tiny_run.compiled),
            "FERJAX": f"{sys.executable} {tiny.HERE / 'run_tiny.py'}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def has_checkpoint(workdir):
    return any(path.name.isdigit() for path in (workdir / "checkpoints").glob("*"))


def killed_at_random(process, workdir, number, step, generator):
    """Waits for a step and a whole checkpoint, then kills a training process; returns the lines."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        found = re.match(r"step +([\d,]+)/", line)
        if found and int(found[1]) >= step and has_checkpoint(workdir):
            break
    index = generator.randrange(number)
    victims = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if f"--process={index}" in child.cmdline()
    ]
    assert victims, "".join(lines)
    victims[0].kill()
    return lines


@pytest.mark.slow
@pytest.mark.relative  # test_processes.py kills once, and goes on with one process
@pytest.mark.parametrize(
    ("numbers", "seed"),
    [((2, 1), 0), ((2, 1, 3), 1), ((3, 2, 4), 2), ((4, 3, 5), 3)],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_processes_killed_at_random_come_back_in_other_numbers(
    tiny_run, undisturbed, tmp_path, numbers, seed
):
    generator, workdir, lines = random.Random(seed), tmp_path / "run", []
    with started(tiny_run, workdir, numbers, len(numbers) - 1) as process:
        try:
            for turn, number in enumerate(numbers[:-1]):
                step = generator.randrange(3 + 4 * turn, 7 + 4 * turn)
                lines += killed_at_random(process, workdir, number, step, generator)
            assert process.stdout is not None
            lines += process.stdout.readlines()
        except BaseException:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            raise
    text = "".join(lines)
    assert process.returncode == 0, text
    assert text.count("a process was lost") == len(numbers) - 1, text
    assert text.count("going on from step") == len(numbers) - 1, text
    for number in numbers:
        assert f"{number} × cpu" in text, text
    tiny.assert_once(workdir)
    (state, meta), (expected, expected_meta) = tiny.newest(workdir), tiny.newest(undisturbed)
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=2e-3, atol=2e-5, err_msg=name)
    assert meta["best_step"] == expected_meta["best_step"]
    assert tiny.result(workdir)["steps"] == STEPS


@pytest.mark.parametrize("answer", ["", "none", "0"])
def test_a_command_that_gives_no_number_is_one_line(answer):
    done = subprocess.run(
        ["bash", str(LOCAL), "-N", f"echo {answer}", "--config=a"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"the command of -N printed {answer or 'nothing'} instead of a number" in done.stderr
