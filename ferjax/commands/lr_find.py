"""`python -m ferjax lr-find --config=configs/NAME.py [--stage=2]`: suggests a stage's learning rate.

A range test (Smith, 2017): the stage trains for some steps at a rate that rises exponentially. Two rates are
suggested: where the loss falls fastest, and a tenth of the rate where it is least. Writes lr_find.json
and lr_find.png. Test a later stage from the weights that the earlier ones gave: --config.init.from=RUN.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import file_name
from ferjax.registry import verb

_CONFIG = framework.config_flag()
_OUT = framework.path_flag("out", "", "Folder of the results; runs/lr-find/MODEL-DATASET-STAGE if empty.")
_STAGE = flags.DEFINE_integer("stage", 1, "The stage of the config, counted from 1.")
_LOW = flags.DEFINE_float("low", 1e-6, "The first learning rate.")
_HIGH = flags.DEFINE_float("high", 10.0, "The last learning rate.")
_STEPS = flags.DEFINE_integer(
    "steps", 100, "The number of steps over which the rate rises.", upper_bound=1_000_000
)
flags.mark_flag_as_required("config")


@verb("training", "try rising learning rates and suggest one")
def main(argv: list[str]) -> None:
    """Runs the test, writes the files and prints the suggestion."""
    from ferjax.config import validate
    from ferjax.experiments.lr_find import lr_find
    from ferjax.platform.machine import keep_compiled

    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    validate(config)
    name = file_name(config.model.name, config.data.name, _STAGE.value)
    out = Path(_OUT.value or f"runs/lr-find/{name}")
    test = lr_find(config, out, _STAGE.value, _LOW.value, _HIGH.value, _STEPS.value)
    end = f"the loss diverged at {test.rates[-1]:.3g}" if test.diverged and test.rates else "to the end"
    print(f"{len(test.rates)} steps from {_LOW.value:g}, {end}; written to {out}")
    if test.steepest is None or test.tenth is None:
        raise UserError("the loss never fell, so nothing is suggested; take a lower --low, or more --steps")
    print(f"steepest descent  {test.steepest:.3g}\nminimum / 10      {test.tenth:.3g}")
    if test.factor != 1:
        print(f"schedule.scale_rate multiplies rates by {test.factor:g}: divide by it what you write down")
