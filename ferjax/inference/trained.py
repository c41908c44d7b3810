"""A trained network as it came out of a run: what explanations, predictions and exports start from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from ml_collections import ConfigDict

from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.training.steps import make_predict_step

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
        grey: whether the network was trained on images without colour; then it is shown grey faces.
    """

    model: nn.Module
    variables: dict[str, Any]
    config: ConfigDict
    label_names: tuple[str, ...]
    image_size: int
    temperature: float | None
    grey: bool = False

    @property
    def input_size(self) -> int:
        """Pixels, both sides, that images are read at: above `image_size` where crops are cut out of them."""
        return self.config.data.source_size or self.image_size


def trained_on_grey(recorded: object, name: str) -> bool:
    """Tells whether a network was trained on images without colour.

    Args:
        recorded: the fact `grey` of its checkpoint or bundle; None in those of earlier versions.
        name: of the data set, whose builder is asked then: `data.name` in the config. A builder outside
            ferjax is never imported: a bundle must not decide which code runs.
    """
    if isinstance(recorded, bool):
        return recorded
    try:
        return ":" not in name and builders.is_grey(name)
    except UserError:
        return False


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
