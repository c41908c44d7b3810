"""A search with a cheap objective by two workers that are killed: cheap_search.py WORKDIR TRIALS KILLS.

Every call of the objective leaves a line in `calls.txt`. Workers are forks of a process that has imported the
libraries; it kills them at random moments and starts others. Prints how many it killed.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from ferjax.experiments.leases import Leases
from ferjax.experiments.queue import FOLDER, Queue
from ferjax.tune.search import Proposal, Settings, search
from ferjax.tune.space import Dimension
from ferjax.tune.storage import JOURNAL, import_optuna, open_study

SPACE = (Dimension("x", -2.0, 2.0), Dimension("kind", choices=("a", "b")))
WORKERS = 2
BYTES = 1400  # that a trial takes in the journal, or a little less


def work(workdir: Path, trials: int) -> None:
    def objective(proposal: Proposal) -> tuple[float, float]:
        x = proposal.values["x"]
        assert isinstance(x, float)
        with (workdir / "calls.txt").open("a") as calls:
            calls.write(f"{proposal.number} begun {x!r}\n")
        for validation in range(1, 4):
            proposal.report(validation, 1 - x * x / 4, 0.0)
        with (workdir / "calls.txt").open("a") as calls:
            calls.write(f"{proposal.number} ended {x!r}\n")
        return 1 - x * x / 4, 1.0

    study = open_study(str(workdir / JOURNAL), "cheap", {"trials": trials})
    queue = Queue(workdir, Leases(workdir / FOLDER), sleep=lambda seconds: time.sleep(seconds / 100))
    search(study, SPACE, Settings("random", "none", trials=trials), objective, queue)


def start(workdir: Path, trials: int) -> int:
    if (child := os.fork()) == 0:
        try:
            work(workdir, trials)
        except BaseException:
            import traceback

            traceback.print_exc()
            (workdir / "failed").touch()
            os._exit(1)
        os._exit(0)
    return child


def main(workdir: Path, trials: int, kills: int) -> None:
    import_optuna()
    generator = random.Random(0)
    workers = {start(workdir, trials) for _ in range(WORKERS)}
    journal = workdir / JOURNAL
    killed, next_kill = 0, 0
    while workers:
        if killed < kills:
            # The moments are random places in what is written, not times: any step of a trial is as likely.
            while not journal.exists() or journal.stat().st_size < next_kill:
                assert not (workdir / "failed").exists()
                time.sleep(0.0005)
            next_kill += generator.randrange(2 * trials * BYTES // (kills + 2))
            victim = generator.choice(sorted(workers))
            os.kill(victim, signal.SIGKILL)
            workers.remove(victim)
            assert os.waitpid(victim, 0)[1] == signal.SIGKILL
            killed += 1
            workers.add(start(workdir, trials))
            continue
        child = workers.pop()
        assert os.waitpid(child, 0)[1] == 0
    print(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
