"""`python -m ferjax lr-find --config=configs/NAME.py [--stage=2]`: which learning rate a stage should have.

A range test (Smith, 2017): the stage trains for some steps at a rate that rises exponentially. Two rates are
suggested: where the loss falls fastest, and a tenth of that where it is least. Writes lr_find.json
and lr_find.png. A later stage is best tested from the weights that the earlier ones gave:
--config.init.from=RUN.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import write_atomic, write_json_atomic
from ferjax.registry import verb

_CONFIG = framework.config_flag()
_OUT = flags.DEFINE_string("out", "", "Folder of the results; runs/lr-find/MODEL-DATASET-STAGE if empty.")
_STAGE = flags.DEFINE_integer("stage", 1, "Which stage of the config, counted from 1.")
_LOW = flags.DEFINE_float("low", 1e-6, "The first learning rate.")
_HIGH = flags.DEFINE_float("high", 10.0, "The last learning rate.")
_STEPS = flags.DEFINE_integer("steps", 100, "How many steps the rate rises for.")
flags.mark_flag_as_required("config")


@verb("training", "try rising learning rates and suggest one")
def main(argv: list[str]) -> None:
    """Runs the test, writes the files and prints the suggestion."""
    from ferjax.config import validate
    from ferjax.platform.machine import keep_compiled
    from ferjax.report.figures import png
    from ferjax.report.range_plot import range_plot
    from ferjax.training.lr_find import range_test

    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    validate(config)
    name = f"{config.model.name}-{config.data.name.replace('/', '-')}-{_STAGE.value}"
    out = Path(_OUT.value or f"runs/lr-find/{name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
    found = range_test(config, out, _STAGE.value, _LOW.value, _HIGH.value, _STEPS.value)
    about = {"model": config.model.name, "dataset": config.data.name, "stage": _STAGE.value}
    write_json_atomic(out / "lr_find.json", {**about, **found._asdict()})
    if found.rates:
        write_atomic(out / "lr_find.png", png(range_plot(found)))
    end = f"the loss diverged at {found.rates[-1]:.3g}" if found.diverged and found.rates else "to the end"
    print(f"{len(found.rates)} steps from {_LOW.value:g}, {end}; written to {out}")
    if found.steepest is None or found.tenth is None:
        raise UserError("the loss never fell, so nothing is suggested; take a lower --low, or more --steps")
    print(f"steepest descent  {found.steepest:.3g}\nminimum / 10      {found.tenth:.3g}")
    if found.factor != 1:
        print(f"schedule.scale_rate multiplies rates by {found.factor:g}: divide by it what you write down")
