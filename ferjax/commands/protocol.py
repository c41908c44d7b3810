"""`python -m ferjax protocol [--config=RECIPE] [--seeds=N]`: measures what habits do to the number.

Papers choose the epoch, the learning rate or the end of training on the test set, keep copies of test images
in train, or report one seed. Each habit is switched on by itself, and the table tells by how much the test
accuracy rises, with an interval over seeds. The default trains a small network on cartoons with planted
copies. It writes WORKDIR/protocol.json and protocol.md; runs are in WORKDIR/rate-R/seed-N and
WORKDIR/copies/seed-N, and finished ones are read, not trained again. With --queue the same command, started
several times, divides the runs.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.experiments.protocol import PATIENCE, RATES, protocol, table
from ferjax.experiments.runs import open_runner, until_stopped, write_text
from ferjax.files import file_name
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_CONFIG = framework.config_flag(
    default="fer_cnn:toons/avataaars_copies,data.image_size=32,train.epochs=10",
    help_string="A recipe: RECIPE[:DATASET[,key=value…]].",
)
_SEEDS = flags.DEFINE_integer(
    "seeds", 4, "The number of seeds, at least two: train.seed, train.seed + 1, …", upper_bound=1000
)
_RATES = flags.DEFINE_list(
    "rates",
    [f"{rate:.3g}" for rate in RATES],
    "Factors on schedule.learning_rate to choose from, 1 among them.",
)
_PATIENCE = flags.DEFINE_integer(
    "patience", PATIENCE, "Validations without improvement before a run would be stopped early."
)
_QUEUE = framework.queue_flag()
_WORKDIR = framework.path_flag("workdir", "", "Folder of the runs; runs/protocol-MODEL-DATASET if empty.")


@verb("several runs", "measure what choosing on test and other habits do to the number")
def main(argv: list[str]) -> int:
    """Trains the runs that are not finished and prints the table."""
    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{file_name('protocol', config.model.name, config.data.name)}")
    try:
        rates = [float(rate) for rate in _RATES.value or []]
    except ValueError:
        raise UserError(f"--rates={','.join(_RATES.value)}: it takes numbers, such as 0.3,1,3") from None

    def work() -> None:
        runner = open_runner(workdir, _QUEUE.value)
        report = protocol(config, workdir, _SEEDS.value, rates, _PATIENCE.value, runner)
        print(write_text(workdir / "protocol.md", table(report)))

    return until_stopped(work)
