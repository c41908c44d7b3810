"""`python -m ferjax repeat -n 15 --config=FILE [--against=FILE]`: trains a recipe with several seeds.

Prints the mean of each test score with its 95 % intervals: x ± 1.96 · σ / √n as the papers have it, and with
Student's t. With --against a second recipe is trained with the same seeds, and the two are compared in pairs.
All seeds of a recipe share one compilation; finished runs are read, not trained again. Each run is in
WORKDIR/seed-N. With --queue the same command, started several times, divides the runs.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.experiments import compare
from ferjax.experiments.repeat import FILE, repeat, table
from ferjax.experiments.runs import check_files, open_runner, until_stopped, write_text
from ferjax.files import file_name
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_CONFIG = framework.config_flag()
_AGAINST = framework.config_flag("against", help_string="A second config, compared with the first.")
_N = flags.DEFINE_integer(
    "n", 5, "The number of seeds, at least two: train.seed, train.seed + 1, …", upper_bound=1000
)
_WORKDIR = framework.path_flag("workdir", "", "Folder of the runs; runs/repeat-MODEL-DATASET if empty.")
_AGAINST_WORKDIR = framework.path_flag(
    "against_workdir", "", "Folder of the second config's runs; WORKDIR-against if empty."
)
_QUEUE = framework.queue_flag()
flags.mark_flag_as_required("config")


@verb("several runs", "train with several seeds: mean and 95 % intervals")
def main(argv: list[str]) -> int:
    """Trains the runs that are not finished and prints the tables."""
    framework.no_arguments(argv)
    keep_compiled()
    config, against = _CONFIG.value, _AGAINST.value
    name = file_name("repeat", config.model.name, config.data.name)
    workdir = Path(_WORKDIR.value or f"runs/{name}")
    other = Path(_AGAINST_WORKDIR.value or f"{workdir}-against")
    if against is not None and against.train.seed != config.train.seed:
        raise UserError("--config and --against must have the same train.seed to be compared in pairs")

    if against is not None:
        check_files(other / FILE)  # `repeat` would do so when the first recipe has been trained

    def work() -> None:
        first = repeat(config, workdir, _N.value, open_runner(workdir, _QUEUE.value))
        text = table(first)
        if against is not None:
            second = repeat(against, other, _N.value, open_runner(other, _QUEUE.value))
            paired = compare.by_seed(first, second)
            text += f"\n\n{table(second)}\n\n{compare.table(paired, str(workdir), str(other))}"
        print(write_text(workdir / "repeat.md", text))

    return until_stopped(work)
