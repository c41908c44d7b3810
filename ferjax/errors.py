"""The exception for bad input, the exit codes, and lists of names for messages."""

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


def listed(items: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """Lists the first items for a message, and counts the rest.

    >>> listed("abcdefg")
    'a, b, c, d, e and 2 more'
    >>> listed(["a is 1", "b is 2"], most=1, separator="; ")
    'a is 1; and 1 more'

    Args:
        items: shown as `str` shows them.
        most: how many are shown.
        separator: what stands between two of them.
    """
    texts = [str(item) for item in items]
    rest = len(texts) - most
    return separator.join(texts[:most]) + (f"{separator.strip(', ')} and {rest} more" if rest > 0 else "")


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """Lists the known names that are most like a wrong one, for a message.

    >>> nearest("resnet81", ["resnet18", "resnet34", "vgg16"])
    'resnet18, resnet34'

    Args:
        name: the wrong one.
        known: the valid ones.
        most: how many are shown; if none is like the wrong one, the first 20 of all are.
    """
    known = list(known)
    return ", ".join(difflib.get_close_matches(name, known, n=most, cutoff=0.4)) or listed(known, most=20)


def foreign(error: BaseException, longest: int = 200) -> str:
    """Describes an error of another library, or of a user's own code, on one line.

    >>> foreign(ValueError("sizes\\n  differ"))
    'ValueError: sizes differ'

    Args:
        error: of any kind.
        longest: letters.
    """
    return " ".join(f"{type(error).__name__}: {error}".split())[:longest]
