"""SIGTERM and ^C as a request to stop, in one process or in all of a run's at the same step."""

import signal
from types import FrameType
from typing import Any, Self

from ferjax.cluster import stopping


class Interrupts:
    """While entered, SIGTERM and SIGINT ask the run to stop instead of ending it; a second ^C ends it.

    In a run of several processes `ferjax.cluster.stopping` takes the signals, and all stop together.

    Attributes:
        signal: the number of the signal that stops the run, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._together = stopping.current()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in () if self._together else (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._together and kind is None:
            self._together.leave_loop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked_within(self, first: int, last: int) -> bool:
        """Checks whether to stop after a call that took the steps `first` to `last`; see `asked`."""
        return any(self.asked(step) for step in range(first, last + 1))

    def asked(self, step: int) -> bool:
        """Checks whether to stop after this step, for which all processes must ask: all get one answer."""
        if self._together and self._together.stops_after(step):
            self.signal = signal.SIGTERM
        return self.signal is not None

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
