"""Opens a trained network by its path: a run's workdir or a bundle."""

from pathlib import Path

from ferjax.inference import bundle
from ferjax.inference.trained import Trained
from ferjax.pretrained.places import locate


def open_network(path: Path | str) -> Trained:
    """Reads the weights of the best validation and everything that is needed to use them.

    Args:
        path: a run's workdir, an import with classes, a bundle, or the name of a network that ferjax ships,
            such as `faces`. An unfinished run is opened with a warning.

    Raises:
        UserError: the path is neither, is damaged, or holds imported weights without a config or NaN.
    """
    workdir = locate(path)
    if not (workdir / "checkpoints").is_dir():
        return bundle.read(workdir)
    from ferjax.inference.open_workdir import (
        open_workdir,  # Orbax takes half a second, which bundles need not
    )

    return open_workdir(workdir)
