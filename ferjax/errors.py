"""The exception for bad input, the exit codes, and the names that a user may have meant."""

import difflib
from collections.abc import Iterable

# Exit codes of commands beside 0, 1 and 128 + a signal's number.
BAD_INPUT = 2  # the user can mend it; the same command fails again
TRY_AGAIN = 75  # EX_TEMPFAIL: a process was lost; the same command goes on from the last checkpoint


class UserError(Exception):
    """Bad input, told in one clear line: what is wrong and what to do.

    Commands print it without a traceback and exit with code 2 (see `ferjax.commands.framework`).
    Everything else that is raised is a bug in ferjax and keeps its traceback.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The names most like a wrong one, for a message; all of them if none is like it."""
    known = list(known)
    return ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known)
