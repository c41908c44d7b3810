"""`python -m ferjax ablate [--config=FILE] [--seeds=N]`: trains ResEmoteNet without one part or another.

Trains the configurations C1 to C6 of the paper's table IV with one recipe, prints the test accuracies beside
the paper's claims, and writes WORKDIR/ablate.json and ablate.md. Each run is in WORKDIR/CONFIG/seed-N;
finished runs are read, not trained again. Without a convolution the later layers see larger images: C4 costs
about eight times what C1 does; smaller images help (--config.data.image_size=32). With --queue the same
command, started several times, divides the runs.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.experiments.ablate import VARIANTS, ablate, table
from ferjax.experiments.runs import open_runner, until_stopped, write_text
from ferjax.files import file_name
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_CONFIG = framework.config_flag(
    default="resemotenet", help_string="A recipe of the network resemotenet: RECIPE[:DATASET[,key=value…]]."
)
_VARIANTS = flags.DEFINE_list("variants", list(VARIANTS), "The configurations to train.")
_SEEDS = flags.DEFINE_integer(
    "seeds", 1, "The number of seeds of each: train.seed, train.seed + 1, …", 1, 1000
)
_QUEUE = framework.queue_flag()
_WORKDIR = framework.path_flag("workdir", "", "Folder of the runs; runs/ablate-DATASET if empty.")


@verb("several runs", "train ResEmoteNet without one part or another")
def main(argv: list[str]) -> int:
    """Trains the runs that are not finished and prints the table."""
    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{file_name('ablate', config.data.name)}")

    def work() -> None:
        runner = open_runner(workdir, _QUEUE.value)
        report = ablate(config, _VARIANTS.value or [], workdir, _SEEDS.value, runner)
        print(write_text(workdir / "ablate.md", table(report)))

    return until_stopped(work)
