"""SIGTERM and ^C as a request to stop, in one process or in all of a run's at the same step."""

import signal
from types import FrameType
from typing import Any, Self

import jax
from jax.experimental import multihost_utils


class Interrupts:
    """While entered, SIGTERM and SIGINT ask the run to stop instead of ending it; a second ^C ends it.

    In a run of several processes JAX's pre-emption service takes SIGTERM: it tells all processes within
    about a second, and they agree on the next step that none of them has begun.

    Attributes:
        signal: the number of the signal that stops the run, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._together = jax.process_count() > 1
        self._interrupted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # With several processes SIGTERM stays with JAX.
        for number in (signal.SIGINT,) if self._together else (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked_within(self, first: int, last: int) -> bool:
        """Checks whether to stop after a call that took the steps `first` to `last`; see `asked`."""
        return any(self.asked(step) for step in range(first, last + 1))

    def asked(self, step: int) -> bool:
        """Checks whether to stop after this step, for which all processes must ask: all get one answer."""
        if self._together and multihost_utils.reached_preemption_sync_point(step):
            self.signal = signal.SIGTERM
        return self.signal is not None

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._interrupted or (self.signal is not None and number == signal.SIGINT):
            raise KeyboardInterrupt
        if self._together:
            self._interrupted = True
            signal.raise_signal(signal.SIGTERM)
        else:
            self.signal = number
