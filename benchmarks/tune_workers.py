"""How long a fixed search takes with one worker and with two, and how long the workers were idle.

    python -m benchmarks.tune_workers [--trials 20] [--seconds 4] [--json FILE]

A trial only waits, which takes no processor: the trials of two workers run side by side on any machine, as
they would on two. What is measured is the queue, the leases and the study's journal. The workers are forks of
a process that has imported the libraries.
"""

import os
import tempfile
import time
from pathlib import Path

from benchmarks import command_line, measure
from ferjax.experiments.queue import Queue, workers
from ferjax.tune.search import Proposal, Settings, search
from ferjax.tune.space import Dimension
from ferjax.tune.storage import JOURNAL, import_optuna, open_study

PACKAGES = ("optuna",)
SPACE = (Dimension("x", -1.0, 1.0), Dimension("y", 1e-3, 1.0, log=True))


def work(folder: Path, trials: int, seconds: float) -> None:
    """Is a worker until the search is over."""

    def objective(proposal: Proposal) -> tuple[float, float]:
        for validation in range(1, 5):
            time.sleep(seconds / 4)
            proposal.report(validation, -abs(float(proposal.values["x"])), seconds * validation / 4)
        return -abs(float(proposal.values["x"])), seconds

    queue = Queue(folder)
    with queue.alone("study"):
        study = open_study(str(folder / JOURNAL), "fixed", {})
    search(study, SPACE, Settings(pruner="none", trials=trials), objective, queue)


def taken(count: int, trials: int, seconds: float) -> dict[str, float]:
    """Runs the search with some workers: `seconds` until the last one ends, `busy` and `idle` of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began, children = time.perf_counter(), []
        for _ in range(count):
            if (child := os.fork()) == 0:
                work(folder, trials, seconds)
                os._exit(0)
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            raise SystemExit("a worker failed")
        wall = time.perf_counter() - began
        rows = workers(folder)
    return {
        "workers": count,
        "seconds": wall,
        "busy": sum(row["busy_seconds"] for row in rows),
        "idle": sum(row["idle_seconds"] for row in rows),
    }


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", default="benchmarks/results/tune_workers.json")
    args = parser.parse_args()
    import_optuna()
    rows = [taken(count, args.trials, args.seconds) for count in (1, 2)]
    for row in rows:
        row["of_one"] = row["seconds"] / rows[0]["seconds"]
        print(
            f"{row['workers']} workers: {row['seconds']:.1f} s, {row['of_one']:.2f} of one worker's time; "
            f"busy {row['busy']:.1f} s, idle {row['idle']:.1f} s"
        )
    measure.record("tune_workers", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
