"""Judges one input: it is taken, or refused in one line, and no file of the user's is touched."""

import contextlib
import hashlib
import os
import resource
import signal
import stat
import traceback
from pathlib import Path

from ferjax.errors import UserError
from ferjax.platform.console import one_line
from fuzz.case import Case

LONGEST_LINE = 400  # letters of an error
HANGS = 60  # seconds: only what never ends takes so long
MEMORY = 2**30  # bytes that no small input may need
ADDRESSES = 2**33  # bytes beyond which an allocation fails, so that a fault does not take the whole machine


class Hang(BaseException):
    """Raised by the alarm; no handler of `Exception` catches it."""


def fault(case: Case) -> str | None:
    """Runs a case; returns what is wrong, None if nothing is."""
    before, peak = digest(case.user), _peak()
    try:
        with _alarm(), _bounded():
            case.run()
        problem = None
    except case.refuses as error:
        problem = _bad_line(str(error), case.user.parent)
    except UserError as error:
        problem = _bad_line(str(error), case.user.parent)
    except (Exception, Hang, SystemExit):
        problem = traceback.format_exc(limit=-8)
    if not problem and _peak() - peak > MEMORY:
        problem = f"took {(_peak() - peak) / 2**30:.1f} GiB"
    if not problem and digest(case.user) != before:
        problem = "changed a file of the user's"
    return problem and f"{problem}\ninput: {case.about}"


def _bad_line(text: str, place: Path) -> str | None:
    # As the command prints it; where the tests' folders lie does not count.
    line = one_line(text).replace(str(place), "/data")
    if not line:
        return "the error has no text"
    return f"the error has {len(line)} letters: {line}" if len(line) > LONGEST_LINE else None


def digest(folder: Path) -> str:
    """Digests names, kinds and content of all in a folder; links are not followed, pipes not opened."""
    found = hashlib.sha256()
    for place, folders, files in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            found.update(b"%s\0%o\0" % (path, mode))
            if stat.S_ISLNK(mode):
                found.update(os.readlink(path))
            elif stat.S_ISREG(mode):
                with contextlib.suppress(PermissionError), open(path, "rb") as file:
                    found.update(file.read())
    return found.hexdigest()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def _alarm():
    def ring(*_):
        raise Hang(f"more than {HANGS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _bounded():
    """Limits the process' addresses, where the system tells how many it has."""
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
