"""A run in a process of its own: it is called there, asked there, and its failure is told here."""

import os
from functools import partial

import pytest

from benchmarks.subprocess_run import Apart


class Counting:
    """Counts its calls."""

    def __init__(self, start):
        self.calls = start + STARTED[0]

    def __call__(self):
        self.calls += 1
        if self.calls > 102:
            raise ValueError("too many calls")


STARTED = [0]


def start():
    STARTED[0] = 100


def calls(run):
    return run.calls, os.getpid()


def test_calls_and_questions_reach_the_other_process():
    run = Apart(partial(Counting, 1), start)
    run()
    found, process = run.ask(calls)
    assert (found, STARTED) == (102, [0])
    assert process != os.getpid()
    with pytest.raises(RuntimeError, match="too many calls"):
        run()
    run.close()


def test_a_run_that_cannot_be_made_says_why():
    with pytest.raises(RuntimeError, match="can only concatenate"):
        Apart(partial(Counting, "one"))
