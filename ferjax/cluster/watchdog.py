"""Ends a run of several processes that cannot go on: one of them is gone or has failed, or all hang.

Devices wait for each other in every step, so one lost process would make the others wait for ever. Each
process reports to process 0, through the store, that it is alive and which step it has reached. Process 0
writes a verdict when the run must end; the others obey it, or end when process 0 does not answer any more.
"""

import atexit
import contextlib
import dataclasses
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from ferjax.cluster.coordinator import UNAVAILABLE, Store
from ferjax.cluster.last_words import LastWords
from ferjax.cluster.liveness import AGAIN, Judge, Limits, Report, Verdict
from ferjax.errors import BAD_INPUT, TRY_AGAIN, UserError
from ferjax.platform import console

_EXIT_SECONDS = 10
_COORDINATOR_STAYS = 2  # seconds
_SIGNALLED = 128  # above it, an exit code tells of a signal
_HURRY = 0.2  # seconds between two signs of life


class Watchdog:
    """The watching threads of one process; see the module."""

    def __init__(self, store: Store, index: int, count: int, where: str, limits: Limits) -> None:
        """Prepares the threads; `start` begins.

        Args:
            store: see `ferjax.cluster.coordinator`.
            index: this process's number.
            count: number of processes.
            where: the coordinator's address, for messages.
            limits: when to give up.
        """
        self._store, self._index, self._where, self._limits = store, index, where, limits
        self._pause = limits.interval
        self._report = Report(f"{socket.gethostname()}, pid {os.getpid()}")
        now = time.monotonic()
        self._judge = Judge(count, limits, now)
        self._answered = now
        self._verdict: Verdict | None = None
        self._acknowledged = threading.Event()  # process 0 knows that this process ends
        # JAX aborts a process at once when its coordinator is gone.
        text = (
            f"ferjax: error: process {index} ({self._report.name}) was killed, or ended because process 0, "
            f"the coordinator at {where}, is gone; {AGAIN}"
        )
        self._last_words = LastWords(text) if index else None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"ferjax-{work.__name__}", daemon=True)
            for work in (self._exchange, self._obey)
        ]

    def start(self) -> None:
        """Begins to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends watching, when all processes have reached the end."""
        self._stop.set()
        self._wake.set()
        self._threads[0].join(self._limits.interval)  # it may wait for a coordinator that is gone
        self.cancel_last_words()

    def cancel_last_words(self) -> None:
        """Cancels the last words: from here on this process reports itself why it ends."""
        if self._last_words:
            self._last_words.cancel()

    def progressed(self, step: int) -> None:
        """Records that a step has been finished."""
        self._report.step = step

    def ask_to_end(self, code: int, text: str) -> None:
        """Asks process 0 to end all processes, this one too, with a code and a message; returns at once."""
        self._report.request = (code, text)
        self.hurry()

    def hurry(self) -> None:
        """Exchanges reports several times a second from here on: the run is about to end."""
        self._pause = min(self._pause, _HURRY)
        self._wake.set()

    def failed(self, error: BaseException) -> None:
        """Reports to the others that this process ends with an error; returns when it may end.

        An error other than UserError may follow from another process's end: then the verdict about that
        process ends this one before this function returns.
        """
        if isinstance(error, Exception) and not isinstance(error, UserError):
            self._stop.wait(self._limits.silence + 3 * self._limits.interval)
        text = " ".join(str(error).split())
        if not isinstance(error, UserError):
            text = f"{type(error).__name__}: {text}"
        self._report.failure = (exit_code(error), text)
        self._wake.set()
        self._acknowledged.wait(self._limits.silence)
        if self._index == 0:
            self._linger()

    def _exchange(self) -> None:
        """Writes reports and reads verdicts in turn. Blocks if process 0 is gone, hence the other thread."""
        while not self._stop.is_set():
            self._report.beat += 1
            last_words = self._report.failure or self._report.obeyed
            try:
                self._store.set("watch", str(self._index), json.dumps(dataclasses.asdict(self._report)))
                if self._index == 0:
                    self._lead()
                text = self._store.read("verdict").get("0")
            except UNAVAILABLE:
                text = None
            else:
                self._answered = time.monotonic()
                if last_words:
                    self._acknowledged.set()
            if text:
                self._verdict = Verdict(**json.loads(text))
            self._wake.wait(self._pause)
            self._wake.clear()

    def _lead(self) -> None:
        now = time.monotonic()
        texts = self._store.read("watch")
        self._judge.note({int(name): Report(**json.loads(text)) for name, text in texts.items()}, now)
        verdict = self._judge.verdict(now)
        if verdict and not self._verdict:
            self._store.set("verdict", "0", json.dumps(dataclasses.asdict(verdict)))

    def _obey(self) -> None:
        """Ends the process on a verdict, or without an answer from process 0."""
        while not self._stop.wait(self._pause / 2):
            if self._report.failure:
                continue  # the main thread is about to end the process with its own message
            if self._verdict:
                self._end(self._verdict)
            if time.monotonic() - self._answered > self._limits.silence:
                text = (
                    f"no answer for {self._limits.silence:g} s from process 0, the coordinator at "
                    f"{self._where}: killed, or its machine or network is gone; {AGAIN}"
                )
                self._end(Verdict(TRY_AGAIN, text))

    def _end(self, verdict: Verdict) -> NoReturn:
        self.cancel_last_words()
        if verdict.code > _SIGNALLED:
            print(f"ferjax: {verdict.text}", file=sys.stderr, flush=True)
        else:
            console.print_error(verdict.text)
        self._report.obeyed = True
        self.hurry()
        self._acknowledged.wait(self._limits.interval)
        if self._index == 0:
            self._linger()
        sys.stdout.flush()
        # Not sys.exit: the main thread is in a call that may never return.
        os._exit(verdict.code)

    def _linger(self) -> None:
        """Keeps process 0 alive until the others have read the verdict: JAX aborts them when it is gone."""
        last = time.monotonic() + 4 * self._limits.interval
        while time.monotonic() < last and not self._judge.all_obeyed(time.monotonic()):
            self._stop.wait(self._pause / 4)


_running: Watchdog | None = None


def progressed(step: int) -> None:
    """Records in the watchdog, if there is one, that a training step has been finished."""
    if _running:
        _running.progressed(step)


@contextlib.contextmanager
def watching(store: Store, index: int, count: int, where: str, limits: Limits) -> Iterator[Watchdog]:
    """Watches while entered; on an error inside, the other processes end too."""
    global _running
    watchdog = Watchdog(store, index, count, where, limits)
    watchdog.start()
    _running = watchdog
    try:
        yield watchdog
    except BaseException as error:
        watchdog.failed(error)
        raise
    finally:
        _running = None
        watchdog.stop()


def leave(code: int, last: bool) -> None:
    """Makes this process end with the code soon, without waiting for the others as JAX does at its exit.

    Args:
        code: the exit code that the exception being raised will give.
        last: True for the coordinator, which lets the others end first: JAX aborts them without it.
    """

    def now() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        if last:
            time.sleep(_COORDINATOR_STAYS)
        os._exit(code)

    atexit.register(now)  # runs before what was registered earlier
    # Threads that wait for a lost process would keep the interpreter from getting there.
    timer = threading.Timer(_EXIT_SECONDS, now)
    timer.daemon = True
    timer.start()


def exit_code(error: BaseException) -> int:
    """Returns the exit code of a command after this error, see `ferjax.commands.framework`."""
    if isinstance(error, UserError):
        return BAD_INPUT
    return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
