"""A run in a process of its own, so that each side of a comparison is as its users have it.

What one library does to threads and to the allocator is then nothing to the other.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.measure import Run


def call(run: Run) -> None:
    """Calls it; the result stays where it is."""
    run()


class Apart:
    """Makes a run in a new process and calls it there.

    Args:
        make: gives the run; can be pickled.
        first: what its program does when it starts, if anything; likewise.
    """

    def __init__(self, make: Callable[[], Run], first: Callable[[], None] | None = None) -> None:
        # On a GPU, JAX would take most of the memory in every process.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, first, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def __call__(self) -> None:
        """One call, waited for."""
        self.ask(call)

    def ask(self, question: Callable[[Run], Any]) -> Any:
        """What `question(run)` gives in the run's process; both can be pickled."""
        self._pipe.send(question)
        return self._answer()

    def close(self) -> None:
        """Ends the process and gives its memory back."""
        self._pipe.close()
        self._process.join()

    def _answer(self) -> Any:
        try:
            found, failure = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process of a run ended: perhaps there is too little memory") from None
        if failure:
            raise RuntimeError(failure)
        return found


def _serve(make: Callable[[], Run], first: Callable[[], None] | None, pipe: Connection) -> None:
    try:
        if first:
            first()
        run = make()
        pipe.send((None, None))
        while True:
            pipe.send((pipe.recv()(run), None))
    except EOFError:  # the other end is closed
        return
    except Exception:
        pipe.send((None, traceback.format_exc()))
