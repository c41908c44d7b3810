"""The one exception that means "the user can mend this", and the names that a user may have meant."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one clear line: what is wrong and what to do.

    Commands print it without a traceback and exit with code 2 (see `ferjax.commands.framework`).
    Everything else that is raised is a bug in ferjax and keeps its traceback.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The names most like a wrong one, for a message; all of them if none is like it."""
    known = list(known)
    return ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known)
