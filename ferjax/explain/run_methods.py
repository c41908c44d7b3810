"""Runs explanation methods on images, in batches."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, UInt8

from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.errors import UserError
from ferjax.explain.layers import check_layer, layers_of
from ferjax.explain.methods import LAYERED, METHODS, check_methods
from ferjax.explain.module_views import PICTURES
from ferjax.explain.subjects import UNKNOWN, Subjects
from ferjax.inference.classifier import Classifier
from ferjax.inference.trained import Trained, luma
from ferjax.report.wording import count_of

BATCH = 16
PREDICTED, ACTUAL = "predicted", "actual"
_logger = logging.getLogger(__name__)


class Explained(NamedTuple):
    """Explanations of N images by a network of K classes.

    Attributes:
        label_names: the K classes.
        subjects: the images, their names and their labels.
        seen: uint8 `[N, H, W, 1 or 3]`, the network's input, see `network_input`.
        probabilities: float32 `[N, K]`, calibrated.
        classes: int32 `[N]`, the class whose logit is explained.
        layer: the layer that the methods in `LAYERED` used.
        heat: method → float32 `[N, H, W]`.
        pictures: name in `ferjax.explain.module_views.PICTURES` → the result of its function, as NumPy
            arrays.
    """

    label_names: tuple[str, ...]
    subjects: Subjects
    seen: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    layer: str
    heat: dict[str, np.ndarray]
    pictures: dict[str, dict[str, Any]]

    @property
    def predicted(self) -> np.ndarray:
        """The most likely class of each image, int64 `[N]`."""
        return self.probabilities.argmax(-1)

    @property
    def wrong(self) -> np.ndarray:
        """True where the most likely class is known not to be the actual one, bool `[N]`."""
        return (self.subjects.labels != UNKNOWN) & (self.subjects.labels != self.predicted)


def choose_methods(trained: Trained, names: Sequence[str]) -> tuple[str, ...]:
    """Checks the names of methods and pictures; without names, chooses all that work with the network.

    Raises:
        UserError: a name is unknown, or the network lacks the layers that the method shows.
    """
    names = check_methods(names, (*METHODS, *PICTURES))
    usable: list[str] = []
    for name in names or (*METHODS, *PICTURES):
        try:
            _check_usable(trained, name)
            usable.append(name)
        except UserError:
            if names:
                raise
    return tuple(usable)


def _check_usable(trained: Trained, name: str) -> None:
    """Raises UserError unless the network has the layers that a method or picture needs; computes nothing."""
    hw = (trained.image_size, trained.image_size)
    if name in PICTURES:
        layer = PICTURES[name][1]
        if not layers_of(trained.model, hw, layer):
            raise UserError(f"{trained.config.model.name} has no {layer.__name__} layer, which {name} shows")
        return
    images = jax.ShapeDtypeStruct((1, *hw, 3), jnp.float32)
    classes = jax.ShapeDtypeStruct((1,), jnp.int32)
    jax.eval_shape(partial(METHODS[name], trained.model), trained.variables, images, classes)


def explain(
    trained: Trained,
    classifier: Classifier,
    subjects: Subjects,
    methods: Sequence[str],
    layer: str = "",
    of_class: str = PREDICTED,
) -> Explained:
    """Runs methods on images; logs a line after each.

    Args:
        trained: the network.
        classifier: the same network's.
        subjects: the images.
        methods: names from `choose_methods`.
        layer: for the methods in `LAYERED`; the default layer if empty.
        of_class: the class whose logit is explained: "predicted", "actual", or a class's name.

    Raises:
        UserError: no such layer or class, or the actual classes are not known.
    """
    layer = check_layer(trained.model, (trained.image_size, trained.image_size), layer)
    seen = network_input(trained, subjects.images)
    probabilities = classifier.probabilities(subjects.images)
    classes = _classes(trained.label_names, subjects, probabilities, of_class)
    images = np.asarray(normalise(jnp.asarray(seen)))
    variables = jax.device_put(trained.variables)
    heat, pictures = {}, {}
    for name in methods:
        start = time.perf_counter()
        if name in METHODS:
            options = {"layer": layer} if name in LAYERED else {}
            function = jax.jit(partial(METHODS[name], trained.model, **options))
            heat[name] = in_batches(partial(function, variables), images, classes)
        else:
            function = jax.jit(partial(PICTURES[name][0], trained.model))
            pictures[name] = in_batches(partial(function, variables), images)
        seconds = time.perf_counter() - start
        _logger.info("%s: %s in %.1f s", name, count_of(len(images), "image"), seconds)
    return Explained(trained.label_names, subjects, seen, probabilities, classes, layer, heat, pictures)


def network_input(trained: Trained, images: UInt8[np.ndarray, "N S S 3"]) -> UInt8[np.ndarray, "N H W C"]:
    """Cuts out the centre that the network takes, and converts it to luma for a network of grey images."""
    (centre,) = views(jnp.asarray(images), trained.image_size, "none")
    return np.asarray(luma(centre) if trained.grey else centre)


def _classes(
    names: Sequence[str], subjects: Subjects, probabilities: np.ndarray, of_class: str
) -> Int[np.ndarray, " N"]:
    """Chooses the class to explain for each image."""
    if of_class == PREDICTED:
        return probabilities.argmax(-1).astype(np.int32)
    if of_class == ACTUAL:
        if (subjects.labels == UNKNOWN).any():
            raise UserError(
                "the actual classes of files are not known: explain the predicted ones or name a class"
            )
        return subjects.labels
    if of_class not in names:
        raise UserError(f"no class {of_class!r}; take {PREDICTED}, {ACTUAL} or one of {', '.join(names)}")
    return np.full(len(probabilities), names.index(of_class), np.int32)


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Calls a jitted function on `BATCH` rows at a time; repeats the last row to fill the last batch.

    Args:
        function: takes as many arrays as given; its result is a tree of arrays with the same leading axis.
        *arrays: `[N, …]`, N at least 1.

    Returns:
        The results for all rows, as NumPy arrays.
    """
    count = len(arrays[0])
    parts = []
    for start in range(0, count, BATCH):
        places = np.minimum(np.arange(start, start + min(BATCH, count)), count - 1)
        parts.append(jax.device_get(function(*(array[places] for array in arrays))))
    return jax.tree.map(lambda *rows: np.concatenate(rows)[:count], *parts)
