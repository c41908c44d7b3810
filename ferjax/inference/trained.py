"""A trained network as it came out of a run: what explanations, predictions and exports start from."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.runs import weights
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import stored_config
from ferjax.runs.workdir import CONFIG, RESULT
from ferjax.training import setup
from ferjax.training.steps import make_predict_step

# Sets of grey images: a network that was trained on one is shown grey faces. A test holds them to the
# builders, whose libraries take a second to import.
GREY_SETS = ("ckplus", "fer2013", "ferplus", "jaffe")
# ITU-R 601 luma in 1/65536, rounded as PIL does; they add up to one, so grey pixels stay as they are.
LUMA, HALF, SHIFT = (19595, 38470, 7471), 1 << 15, 16


class Trained(NamedTuple):
    """A network with its best weights.

    Attributes:
        model: the network in the run's precision.
        variables: `{"params", "batch_stats"}`, NumPy arrays; the averaged ones if the run kept averages.
        config: the run's, complete and checked.
        label_names: the K classes.
        image_size: pixels, both sides, of what the network takes.
        temperature: what logits are divided by so that probabilities can be believed, see
            `ferjax.scores.calibration`; None where no finished run tells it.
    """

    model: nn.Module
    variables: dict[str, Any]
    config: ConfigDict
    label_names: tuple[str, ...]
    image_size: int
    temperature: float | None

    @property
    def input_size(self) -> int:
        """Pixels, both sides, that images are read at: above `image_size` where crops are cut out of them."""
        return self.config.data.source_size or self.image_size

    @property
    def grey(self) -> bool:
        """Whether the network was trained on images without colour."""
        return self.config.data.name in GREY_SETS


def read(path: Path | str) -> Trained:
    """Reads the weights that validation chose, and all that is needed to use them.

    Args:
        path: a run's workdir, or a bundle. A run that is not finished is taken with a warning on stderr.

    Raises:
        UserError: it is neither, or an import of weights alone, or damaged.
    """
    workdir = Path(path).expanduser()
    if not (workdir / "checkpoints").is_dir():
        from ferjax.inference import bundle  # which knows what a network is from here

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
    )


def predict_step(trained: Trained) -> Callable[[Any, Array], Array]:
    """Builds `step(variables, images) -> log_probabilities`, pure: calibrated, as the run was evaluated.

    Args:
        trained: the network; its weights are not read.

    Returns:
        A function of variables and uint8 `[B, H, W, 3]`, H = W = `trained.input_size`, to float32 `[B, K]`.
        A network of grey images sees the luma of colours.
    """
    config = trained.config
    size = trained.image_size if config.data.source_size or config.eval.crops != "none" else None
    logits_of = make_predict_step(trained.model, jnp.dtype(config.train.precision), size, config.eval.crops)
    temperature = trained.temperature or 1.0

    def step(variables: Any, images: Array) -> Array:
        images = luma(images) if trained.grey else images
        return jax.nn.log_softmax(logits_of(variables, images).astype(jnp.float32) / temperature)

    return step


def luma(images: Array) -> Array:
    """The brightness of colours, as PIL's mode L has it: uint8 `[B, H, W, 3]` to `[B, H, W, 1]`."""
    weighted = (images.astype(jnp.int32) * jnp.asarray(LUMA)).sum(-1, keepdims=True)
    return ((weighted + HALF) >> SHIFT).astype(jnp.uint8)


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
