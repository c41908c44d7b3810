"""Processes that are asked to stop, one or all at once, stop after one step or end together."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from memory_store import MemoryStore

from ferjax.cluster.last_words import LastWords
from ferjax.cluster.stopping import CODE, Stopping


class Watched:
    """In the watchdog's place: notes what it is asked."""

    def __init__(self):
        self.asked, self.hurried = threading.Event(), False

    def hurry(self):
        self.hurried = True

    def ask_to_end(self, code, text):
        assert code == CODE == 143
        assert "the same command goes on from the last checkpoint" in text
        self.asked.set()


def joined(*passed):
    """As many processes as steps are given, each the last that it has passed; None: it is not in its loop."""
    store, found = MemoryStore(), []
    for index, step in enumerate(passed):
        stopping, watchdog = Stopping(first=index == 0), Watched()
        stopping.join(store, index, len(passed), watchdog)
        if step is not None:
            assert not stopping.stops_after(step)
        found.append((stopping, watchdog))
    return store, found


def agree(store, found):
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(lambda one: one[0]._agree(store), found))


def test_all_stop_after_the_next_step_that_none_has_passed():
    store, found = joined(7, 9, 8)
    agree(store, found)
    for stopping, watchdog in found:
        assert not stopping.stops_after(9)
        assert stopping.stops_after(10)
        assert watchdog.hurried
        stopping.leave_loop()
        assert not watchdog.asked.is_set()


def test_a_call_of_several_steps_stops_at_its_end():
    store, found = joined(6, 9)
    agree(store, found)
    assert [stopping.stops_after(12) for stopping, _ in found] == [True, True]


@pytest.mark.parametrize("passed", [(None, None), (None, 4), (4, None)])
def test_outside_of_the_loop_all_end_at_once(passed):
    store, found = joined(*passed)
    agree(store, found)
    assert all(watchdog.asked.is_set() for _, watchdog in found)


def test_a_process_waits_at_its_next_step_until_the_step_is_chosen():
    store, found = joined(3, 3)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(found[0][0]._agree, store)
        while not found[0][0]._asked:
            pass
        waiting = pool.submit(found[0][0].stops_after, 4)
        assert not waiting.done()
        pool.submit(found[1][0]._agree, store)
        assert waiting.result()
        first.result()


def test_a_run_that_ends_before_the_chosen_step_ends_at_once():
    store, found = joined(22, 22)
    agree(store, found)
    for stopping, watchdog in found:
        threading.Thread(target=stopping.leave_loop, daemon=True).start()
        assert watchdog.asked.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_other_process_through_the_store(number):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    store, ((other, _),) = joined(5)
    with Stopping(first=False) as here:
        here.join(store, 1, 2, Watched())
        assert not here.stops_after(5)
        other._count = 2
        signal.raise_signal(number)
        store.wait("stop", "request", 60)
        other._agree(store)
        assert other.stops_after(6)
        store.wait("passed", "1", 60)
        assert here.stops_after(6)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_ctrl_c_interrupts():
    with Stopping(first=False) as stopping:
        stopping.join(MemoryStore(), 0, 1, Watched())
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_last_words_are_out_of_reach_of_signals_to_the_group(capfd):
    """Their shell once died with the group, and the process that cancelled them failed."""
    words = LastWords("killed")
    assert os.getpgid(words._shell.pid) != os.getpgid(0)
    words.cancel()
    killed = LastWords("killed")
    killed._shell.kill()
    killed._shell.wait()
    killed.cancel()
    assert capfd.readouterr().err == ""
