"""Runs a learning-rate range test and keeps its numbers and its picture in a folder."""

from pathlib import Path

from ml_collections import ConfigDict

from ferjax.files import to_json
from ferjax.platform import outputs
from ferjax.report.figures import png
from ferjax.report.range_plot import range_plot
from ferjax.training.lr_find import RangeTest, range_test
from ferjax.training.transfer import RECORD

FILE, PICTURE = "lr_find.json", "lr_find.png"
_VERB = "lr-find"


def lr_find(config: ConfigDict, out: Path, stage: int, low: float, high: float, steps: int) -> RangeTest:
    """Runs the test and writes `lr_find.json` and, unless it diverged at once, `lr_find.png`.

    Args:
        config: a checked config.
        out: the folder, made if it is missing.
        stage: the stage of the config, counted from 1.
        low: the first learning rate.
        high: the last learning rate.
        steps: the number of steps over which the rate rises.

    Raises:
        UserError: bad input, or the folder cannot be written.
    """
    numbers, picture = out / FILE, out / PICTURE
    outputs.check(_VERB, numbers, picture)
    if config.init["from"]:
        outputs.check("train", out / RECORD)
    outputs.make_folder(out)
    test = range_test(config, out, stage, low, high, steps)
    about = {"model": config.model.name, "dataset": config.data.name, "stage": stage}
    outputs.write(_VERB, numbers, to_json({**about, **test._asdict()}))
    if test.rates:
        outputs.write(_VERB, picture, png(range_plot(test)))
    return test
