"""A search with a cheap objective by two workers that are killed: cheap_search.py WORKDIR TRIALS KILLS.

Every call of the objective leaves a line in `calls.txt`. Workers are forks of a process that has imported the
libraries. Each of the first ones kills itself after a random number of Python's function calls, every second
one in the middle of a trial: any step is as likely, however fast the machine is. Prints how many were killed.
"""

import itertools
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from ferjax.experiments.leases import Leases
from ferjax.experiments.queue import FOLDER, Queue
from ferjax.tune.search import Proposal, Settings, search
from ferjax.tune.space import Dimension
from ferjax.tune.storage import JOURNAL, import_optuna, open_study

SPACE = (Dimension("x", -2.0, 2.0), Dimension("kind", choices=("a", "b")))
WORKERS = 2
CALLS = 1200  # of functions that a trial takes, or a little fewer
CALLS_INSIDE = 300  # likewise, in its objective


def work(workdir: Path, trials: int, die: Callable[[FrameType, str, object], None] | None = None) -> None:
    """Takes part in the search; `die` is called at each function call of an objective (`sys.setprofile`)."""

    def objective(proposal: Proposal) -> tuple[float, float]:
        x = proposal.values["x"]
        assert isinstance(x, float)
        with (workdir / "calls.txt").open("a") as calls:
            calls.write(f"{proposal.number} begun {x!r}\n")
        if die:
            sys.setprofile(die)
        for validation in range(1, 4):
            proposal.report(validation, 1 - x * x / 4, 0.0)
        if die:
            sys.setprofile(None)
        with (workdir / "calls.txt").open("a") as calls:
            calls.write(f"{proposal.number} ended {x!r}\n")
        return 1 - x * x / 4, 1.0

    study = open_study(str(workdir / JOURNAL), "cheap", {"trials": trials})
    queue = Queue(workdir, Leases(workdir / FOLDER), sleep=lambda seconds: os.sched_yield())
    search(study, SPACE, Settings("random", "none", trials=trials), objective, queue)


def dying_after(calls: int) -> Callable[[FrameType, str, object], None]:
    """For `sys.setprofile`: this process kills itself at its so-manieth function call."""
    left = itertools.count(calls, -1)

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    return count


def start(workdir: Path, trials: int, calls: int = 0, inside: int = 0) -> None:
    """Starts a worker that kills itself after so many calls, or so many in objectives; 0: it does not."""
    if not os.fork():
        try:
            sys.setprofile(dying_after(calls) if calls else None)
            work(workdir, trials, dying_after(inside) if inside else None)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)


def main(workdir: Path, trials: int, kills: int) -> None:
    import_optuna()
    generator = random.Random(0)
    # All of them together are fewer calls than the trials take: no worker ends before it is killed.
    limits = [
        (0, generator.randrange(1, CALLS_INSIDE))
        if number % 2
        else (generator.randrange(1, 2 * trials * CALLS // (kills + 2)), 0)
        for number in range(kills)
    ]
    limits += [(0, 0)] * WORKERS
    alive, killed = 0, 0
    while limits or alive:
        while limits and alive < WORKERS:
            start(workdir, trials, *limits.pop(0))
            alive += 1
        status = os.wait()[1]
        alive -= 1
        assert status in (0, signal.SIGKILL), status
        killed += status == signal.SIGKILL
    print(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
