"""Runs a learning-rate range test and keeps its numbers and its picture in a folder."""

from pathlib import Path

from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.files import write_atomic, write_json_atomic
from ferjax.report.figures import png
from ferjax.report.range_plot import range_plot
from ferjax.training.lr_find import RangeTest, range_test

FILE, PICTURE = "lr_find.json", "lr_find.png"


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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
    test = range_test(config, out, stage, low, high, steps)
    about = {"model": config.model.name, "dataset": config.data.name, "stage": stage}
    write_json_atomic(out / FILE, {**about, **test._asdict()})
    if test.rates:
        write_atomic(out / PICTURE, png(range_plot(test)))
    return test
