"""SIGTERM and ^C in a run of several processes: all stop after the same step, whoever was asked.

Several processes may be asked at once: `timeout`, `scancel --full`, systemd and a terminal signal all of a
group. The process that is asked says so in the store. Each then reports the last step that it has passed and
goes no further before process 0 has chosen the step to stop after: the next one that no process has passed.
Where one of them is not between two steps (it loads, compiles the first step, or tests at the end) there is
nothing to save, and all end at once.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn, Self

from ferjax.cluster.coordinator import UNAVAILABLE, Store
from ferjax.cluster.liveness import AGAIN
from ferjax.cluster.watchdog import Watchdog

CODE = 128 + signal.SIGTERM
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK = 0.5  # seconds between two looks into the store
_ANSWER = 30.0  # seconds that a process may take to report
_COORDINATOR_STAYS = 2  # seconds: JAX aborts the others when process 0 is gone


class Stopping:
    """Handles SIGTERM and SIGINT while entered; a thread of its own does, for the main one may compile.

    A second ^C raises KeyboardInterrupt.
    """

    def __init__(self, first: bool) -> None:
        """Installs nothing yet.

        Args:
            first: whether this process is the coordinator.
        """
        self._first = first
        self._reader, self._writer = socket.socketpair()
        self._changed = threading.Condition()
        self._passed: int | None = None
        self._asked = self._decided = self._stopped = False
        self._step: int | None = None
        self._store: Store | None = None
        self._watchdog: Watchdog | None = None
        self._index, self._count, self._interrupts = 0, 1, 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ferjax-stopping", daemon=True)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        global _running
        self._writer.setblocking(False)
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        # The number is written at once; a handler in Python waits for the end of a call, such as compiling.
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        _running = self
        return self

    def __exit__(self, *_: object) -> None:
        global _running
        _running = None
        self._left.set()
        self._thread.join()
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def join(self, store: Store, index: int, count: int, watchdog: Watchdog) -> None:
        """Begins to stop together with the other processes; before, a signal ends this one alone."""
        self._index, self._count, self._watchdog = index, count, watchdog
        self._store = store  # last: from here on the thread uses them

    def stops_after(self, step: int) -> bool:
        """Checks whether to stop after a call whose last step is this one; all processes get one answer.

        Waits where the step to stop after is being chosen.
        """
        with self._changed:
            self._wait()
            self._stopped = self._decided and self._step is not None and self._step <= step
            if not self._stopped:
                self._passed = step
            return self._stopped

    def leave_loop(self) -> None:
        """Notes that no step follows; does not return if the run was to stop after a step that never came."""
        with self._changed:
            self._wait()
            self._passed = None
            late = self._decided and self._step is not None and not self._stopped
        if late:
            self._end()
            threading.Event().wait()  # the watchdog ends the process

    def _wait(self) -> None:
        while self._asked and not self._decided:
            self._changed.wait()

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        """Waits for a signal here or for a request of another process."""
        while not self._left.is_set():
            here = False
            if select.select([self._reader], [], [], _LOOK)[0]:
                here = any(number in _SIGNALS for number in self._reader.recv(64))
            if self._store is None:
                if here:
                    self._leave_alone()
                continue
            with contextlib.suppress(UNAVAILABLE):
                if here:
                    self._store.set("stop", "request", "")
                if not self._asked and "request" in self._store.read("stop"):
                    self._agree(self._store)

    def _agree(self, store: Store) -> None:
        assert self._watchdog is not None
        self._watchdog.hurry()
        with self._changed:
            passed, self._asked = self._passed, True
        step = None
        with contextlib.suppress(UNAVAILABLE):  # the watchdog tells who is lost
            store.set("passed", str(self._index), json.dumps(passed))
            if self._index == 0:
                steps = [json.loads(store.wait("passed", str(i), _ANSWER)) for i in range(self._count)]
                chosen = None if None in steps else max(steps) + 1
                store.set("stop", "step", json.dumps(chosen))
            step = json.loads(store.wait("stop", "step", 2 * _ANSWER))
        with self._changed:
            self._step, self._decided = step, True
            self._changed.notify_all()
        if step is None:
            self._end()

    def _end(self) -> None:
        assert self._watchdog is not None
        self._watchdog.ask_to_end(CODE, f"stopped by a signal, not between two training steps; {AGAIN}")

    def _leave_alone(self) -> NoReturn:
        print("ferjax: stopped by a signal before all processes had come", file=sys.stderr, flush=True)
        if self._first:
            time.sleep(_COORDINATOR_STAYS)
        os._exit(CODE)


_running: Stopping | None = None


def current() -> Stopping | None:
    """Returns what stops this run's processes together; None in a run of one process."""
    return _running
