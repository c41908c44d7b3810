"""Opens a trained network by its path: a run's workdir or a bundle."""

import math
import sys
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.inference import bundle
from ferjax.inference.trained import Trained, trained_on_grey
from ferjax.runs import weights
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import stored_config
from ferjax.runs.workdir import CONFIG, RESULT
from ferjax.training import setup


def open_network(path: Path | str) -> Trained:
    """Reads the weights that validation chose, and all that is needed to use them.

    Args:
        path: a run's workdir, or a bundle. A run that is not finished is taken with a warning on stderr.

    Raises:
        UserError: it is neither, or an import of weights alone, or damaged.
    """
    workdir = Path(path).expanduser()
    if not (workdir / "checkpoints").is_dir():
        return bundle.read(workdir)
    if not (workdir / CONFIG).exists():
        raise UserError(
            f"{workdir} holds weights without a {CONFIG}: nobody knows their classes and image size; train "
            f"from them with --config.init.from={workdir}, and name that run's workdir"
        )
    _, config = stored_config(workdir)
    variables, meta = weights.load(workdir)
    result = read_result(workdir / RESULT) if (workdir / RESULT).exists() else None
    names = meta.get("label_names") or (result or {}).get("label_names")
    if not names:
        raise UserError(f"{workdir} does not tell the names of its classes; let the run go on to its end")
    step = meta["step"]
    if result is None:
        warn(f"the run in {workdir} is not finished: these are the weights of step {step:,}, not calibrated")
    return Trained(
        model=setup.build_model(config, len(names)),
        variables=variables,
        config=config,
        label_names=tuple(names),
        image_size=config.data.image_size,
        temperature=_temperature(result, step),
        grey=trained_on_grey(meta.get("grey"), config.data.name),
    )


def warn(message: str) -> None:
    """Tells on stderr, for stdout may be read by a program."""
    print(f"ferjax: warning: {message}", file=sys.stderr, flush=True)


def _temperature(result: dict[str, Any] | None, step: int) -> float | None:
    """What the result tells of the very weights that were read."""
    if result is None or result["best_step"] != step:
        return None
    found = result.get("probabilities", {}).get("temperature")
    usable = isinstance(found, int | float) and math.isfinite(found) and found > 0
    return float(found) if usable else None
