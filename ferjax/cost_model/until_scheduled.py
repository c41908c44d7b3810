"""Compiles for a TPU until the program is scheduled, in a process that is ended then.

Machine code takes three quarters of the time, and says nothing about bytes, operations and exchanges.
"""

import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError

_POLL = 0.2  # seconds
_PROGRAM, _MEMORY = "*.after_optimizations_after_buffer_assignment.txt", "*-memory-usage-report.txt"


class Scheduled(NamedTuple):
    """A scheduled program.

    Attributes:
        text: the program.
        memory: bytes of main memory for the arguments and all between.
    """

    text: str
    memory: int


def until_scheduled(compile_into: Callable[..., None], *arguments: object) -> Scheduled:
    """Runs a compilation in a process of its own until its schedule is written.

    Args:
        compile_into: a function of a module that takes `arguments` and `compiler_options` to compile with.
        arguments: to be pickled.

    Raises:
        UserError: the compilation ended without a schedule.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "xla_dump_to": folder,
            "xla_dump_hlo_as_text": True,
            "xla_syntax_sugar_async_ops": True,  # as in the text of a compiled program
        }
        child = multiprocessing.get_context("spawn").Process(
            target=compile_into, args=arguments, kwargs={"compiler_options": options}, daemon=True
        )
        child.start()
        try:
            while True:
                alive = child.is_alive()
                if found := _found(Path(folder)):
                    return found
                if not alive:
                    raise UserError(
                        "the compiler ended before its program was scheduled; its words are above"
                    )
                time.sleep(_POLL)
        finally:
            child.kill()
            child.join()


def _found(folder: Path) -> Scheduled | None:
    """Reads what the compiler has written; None until all of it is there."""
    programs, reports = list(folder.glob(_PROGRAM)), list(folder.glob(_MEMORY))
    text = programs[0].read_text() if programs and reports else ""
    if "\nENTRY " not in text or not text.rstrip().endswith("}"):
        return None
    total = re.search(r"\(color=0\)\s+Total bytes: (\d+)", reports[0].read_text())
    return Scheduled(text, int(total[1]) if total else 0)
