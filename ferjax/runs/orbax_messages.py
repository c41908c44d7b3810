"""Hides what Orbax prints beside the exceptions that it raises, and nothing that others print."""

import functools
import logging
import sys
from pathlib import Path


def _from_orbax(path: str) -> bool:
    return "orbax" in Path(path).parts


@functools.cache
def hide() -> None:
    """Installs the filters, once in a process; they stay.

    A context would end too early: when one read or write of a checkpoint fails, Orbax raises and abandons
    the others, whose errors are printed whenever the garbage collector frees them, after the checkpoint's
    folder was closed (`tests/runs/test_orbax_messages.py`).
    """
    # Every save and every step of the policy on INFO and WARNING, and an error once for each thread.
    logging.getLogger("absl").addFilter(lambda record: not _from_orbax(record.pathname))
    # Abandoned reads: "Task exception was never retrieved", with the file of the coroutine.
    logging.getLogger("asyncio").addFilter(lambda record: "orbax" not in record.getMessage())
    previous = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        code = getattr(unraisable.object, "cr_code", None)  # of a coroutine
        abandoned = code is not None and _from_orbax(code.co_filename)
        # TensorStore's threads report to the event loop that Orbax closed.
        if not abandoned and str(unraisable.exc_value) != "Event loop is closed":
            previous(unraisable)

    sys.unraisablehook = hook
