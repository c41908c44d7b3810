"""Runs take turns, and a turn of short calls is several of them."""

import pytest

from benchmarks import measure


def test_turns_alternate_and_short_calls_are_repeated():
    now, calls = [0.0], []

    def run(name, seconds):
        def work():
            calls.append(name)
            now[0] += seconds

        return work

    runs = {"short": run("short", 0.04), "long": run("long", 3.0), "tiny": run("tiny", 1e-9)}
    found = measure.interleaved(runs, 2, clock=lambda: now[0])
    assert found == {
        "short": pytest.approx([0.04, 0.04]),
        "long": pytest.approx([3.0, 3.0]),
        "tiny": pytest.approx([1e-9, 1e-9], rel=1e-3),
    }
    turn = ["short"] * 4 + ["long"] * 2 + ["tiny"] * (1 + measure.TURN_CALLS)
    assert calls == ["short", "long", "tiny", *turn, *turn]
