"""`python -m ferjax crossdb --config=FILE --sets=A,B[,…]`: trains on each set, tests on all.

Prints the matrix of test accuracies with the paper's beside it; writes WORKDIR/crossdb.json and crossdb.md.
The recipe is the same for every set. Classes that a set lacks get probability zero; classes that a network
lacks are left out. Finished runs are read, not trained again. With --queue the same command, started several
times, divides the runs.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.experiments.crossdb import crossdb, table
from ferjax.experiments.runs import open_runner, until_stopped, write_text
from ferjax.files import file_name
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_CONFIG = framework.config_flag()
_SETS = flags.DEFINE_list("sets", ["toons/avataaars", "toons/open_peeps"], "Data sets, separated by commas.")
_SEEDS = flags.DEFINE_integer(
    "seeds", 1, "Seeds of each set; with more than one the matrix has intervals.", 1, 1000
)
_WORKDIR = framework.path_flag("workdir", "", "Folder of the runs; runs/crossdb-MODEL if empty.")
_QUEUE = framework.queue_flag()
flags.mark_flag_as_required("config")


@verb("several runs", "train on each of several data sets, test on all")
def main(argv: list[str]) -> int:
    """Trains the runs that are not finished and prints the matrix."""
    framework.no_arguments(argv)
    keep_compiled()
    workdir = Path(_WORKDIR.value or f"runs/{file_name('crossdb', _CONFIG.value.model.name)}")

    def work() -> None:
        runner = open_runner(workdir, _QUEUE.value)
        report = crossdb(_CONFIG.value, _SETS.value or [], workdir, _SEEDS.value, runner)
        print(write_text(workdir / "crossdb.md", table(report)))

    return until_stopped(work)
