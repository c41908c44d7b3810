"""A trained network: model, weights, config and classes, for explanations, predictions and exports."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from ml_collections import ConfigDict

from ferjax.config import is_pretraining, validate
from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.scores.conformal import Sets
from ferjax.scores.unlike import Unlike
from ferjax.scores.unsure import Unsure
from ferjax.training.affect import Head, head_of
from ferjax.training.network import image_shape
from ferjax.training.predict_step import make_answer_step

# `data.name` of a network that was imported: what it was trained on is unknown.
IMPORTED = "imported"
# ITU-R 601 luma in 1/65536, rounded as PIL does; the weights add up to one, so grey pixels stay unchanged.
LUMA, HALF, SHIFT = (19595, 38470, 7471), 1 << 15, 16


USUAL_MARGIN = 0.1
# Of sets whose own crops the detector's box was compared with: benchmarks/face_crops.py. FER+ has FER2013's
# images.
MARGINS = {"fer2013": 0.0, "ferplus": 0.0}
_MEASURED = -1.0  # data.face_margin: as measured


def check_has_classes(config: ConfigDict, workdir: Path) -> None:
    """Refuses a run of pre-training, whose network has no classes.

    Raises:
        UserError: it is one; the message says how to go on from it.
    """
    if is_pretraining(config):
        raise UserError(
            f"{workdir} is a run of pre-training (pretrain.method={config.pretrain.method}), whose network "
            f"has no classes: fine-tune it first, with --config.init.from={workdir} and pretrain.method=none"
        )


class Trained(NamedTuple):
    """A network with its best weights.

    Attributes:
        model: the network in the run's precision.
        variables: `{"params", "batch_stats"}`, NumPy arrays; the averaged ones if the run kept averages.
        config: the run's, complete and checked.
        label_names: the K classes.
        image_size: pixels, both sides, of the images that the network takes.
        temperature: divides the logits so that probabilities are calibrated, see `ferjax.scores.calibration`;
            None before a run is finished.
        grey: whether the network was trained on images without colour; then faces are made grey for it.
        unsure: the probability below which it is unsure; None if none was chosen.
        sets: turns its probabilities into sets of classes that hold the actual one with a stated chance; None
            if that was not measured.
        unlike: tells pictures that are unlike those of training; None if that was not fitted.
        trained_on: the data that made the weights, see `ferjax.training.contamination.seen_by`; empty where
            unknown.
    """

    model: nn.Module
    variables: dict[str, Any]
    config: ConfigDict
    label_names: tuple[str, ...]
    image_size: int
    temperature: float | None
    grey: bool = False
    unsure: Unsure | None = None
    sets: Sets | None = None
    unlike: Unlike | None = None
    trained_on: Sequence[Mapping[str, Any]] = ()

    @property
    def imported(self) -> bool:
        """Whether it comes from a file of another program, and not from a run."""
        return self.config.data.name == IMPORTED

    @property
    def origin(self) -> str:
        """Says where it comes from: "trained on fer2013"."""
        return "imported from another program" if self.imported else f"trained on {self.config.data.name}"

    @property
    def affect_head(self) -> Head | None:
        """Where the head for valence and arousal sits; None if it has none."""
        return head_of(self.config, self.model, image_shape(self.config))

    @property
    def face_margin(self) -> float:
        """Room around the detector's box when a face is cut out for it, as a share of the longer side."""
        set_to, name = self.config.data.face_margin, self.config.data.name
        return MARGINS.get(name, USUAL_MARGIN) if set_to == _MEASURED else set_to

    @property
    def input_size(self) -> int:
        """Pixels, both sides, of the images that are read; above `image_size` if crops are cut out."""
        return self.config.data.source_size or self.image_size

    def with_crops(self, crops: str | None) -> "Trained":
        """Returns the network with other views of a face to average over; as it is if None.

        Args:
            crops: as the config field `eval.crops`.

        Raises:
            UserError: it was trained on whole images, and there are no crops to cut.
        """
        if crops is None or crops == self.config.eval.crops:
            return self
        config = self.config.copy_and_resolve_references()
        config.eval.crops = crops
        validate(config)
        return self._replace(config=config)


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
    """Builds `step(variables, images) -> log_probabilities`, the first result of `answer_step`."""
    step = answer_step(trained)
    return lambda variables, images: step(variables, images)[0]


def answer_step(trained: Trained) -> Callable[[Any, Array], tuple[Array, Array | None]]:
    """Builds `step(variables, images) -> (log_probabilities, affect)`: pure, with the run's crops.

    Args:
        trained: the network; its weights are not used.

    Returns:
        A function from variables and uint8 `[B, S, S, 3]`, S = `trained.input_size`, to calibrated
        float32 `[B, K]`, and float32 `[B, 2]`, not squashed; None without a head for them. Colours are turned
        into luma for a network that was trained on grey images.
    """
    config = trained.config
    size = trained.image_size if config.data.source_size or config.eval.crops != "none" else None
    dtype = jnp.dtype(config.train.precision)
    answers_of = make_answer_step(trained.model, dtype, size, config.eval.crops, trained.affect_head)
    temperature = trained.temperature or 1.0

    def step(variables: Any, images: Array) -> tuple[Array, Array | None]:
        images = luma(images) if trained.grey else images
        logits, values = answers_of(variables, images)
        logs = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature)
        return logs, None if values is None else values.astype(jnp.float32)

    return step


def in_precision(network: Trained, precision: str) -> Trained:
    """Returns the network with the same weights, computing in another precision, such as "float64"."""
    config = network.config.copy_and_resolve_references()
    config.train.precision = precision
    return network._replace(config=config, model=network.model.clone(dtype=jnp.dtype(precision)))


def luma(images: Array) -> Array:
    """Converts colours to luma as PIL's mode L does: uint8 `[B, H, W, 3]` to `[B, H, W, 1]`."""
    weighted = (images.astype(jnp.int32) * jnp.asarray(LUMA)).sum(-1, keepdims=True)
    return ((weighted + HALF) >> SHIFT).astype(jnp.uint8)
