"""All that is found out about some images, method by method, in batches."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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


class Explained(NamedTuple):
    """Of N images and K classes.

    Attributes:
        label_names: the K classes.
        subjects: the images and what is known of them.
        seen: uint8 `[N, H, W, 1 or 3]`, what the network sees: grey, and the centre, where it sees only that.
        probabilities: float32 `[N, K]`, calibrated.
        classes: int32 `[N]`, whose logits are explained.
        layer: that `grad_cam` and `grad_cam_plus_plus` looked at.
        heat: method → float32 `[N, H, W]`.
        pictures: of `ferjax.explain.module_views.PICTURES` → what its function gives, as NumPy arrays.
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
        """The class of the highest probability, int64 `[N]`."""
        return self.probabilities.argmax(-1)

    @property
    def wrong(self) -> np.ndarray:
        """Whether that is known not to be the actual class, bool `[N]`."""
        return (self.subjects.labels != UNKNOWN) & (self.subjects.labels != self.predicted)


def choose_methods(trained: Trained, names: Sequence[str]) -> tuple[str, ...]:
    """The methods and pictures of these names; all that the network has what they need for, if none is named.

    Raises:
        UserError: a name is unknown, or the network lacks what it shows.
    """
    names = check_methods(names, (*METHODS, *PICTURES))
    able, why = [], {}
    for name in names or (*METHODS, *PICTURES):
        try:
            _check_able(trained, name)
            able.append(name)
        except UserError as error:
            why[name] = error
    for name in names:
        if name in why:
            raise why[name]
    return tuple(able)


def _check_able(trained: Trained, name: str) -> None:
    """Raises UserError unless the network has what a method or picture needs; nothing is computed."""
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
    tell: Callable[[str], None] = lambda line: None,
) -> Explained:
    """Runs methods on images.

    Args:
        trained: the network.
        classifier: of the same.
        subjects: the images.
        methods: as `choose_methods` gives them.
        layer: for those that look at one; the default one if empty.
        of_class: whose logit is explained: "predicted", "actual", or a class's name.
        tell: takes a line after each method.

    Raises:
        UserError: no such layer or class, or actual classes that are not known.
    """
    layer = check_layer(trained.model, (trained.image_size,) * 2, layer)
    seen = what_is_seen(trained, subjects.images)
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
        tell(f"{name}: {count_of(len(images), 'image')} in {time.perf_counter() - start:.1f} s")
    return Explained(trained.label_names, subjects, seen, probabilities, classes, layer, heat, pictures)


def what_is_seen(trained: Trained, images: np.ndarray) -> np.ndarray:
    """What of uint8 `[N, S, S, 3]` the network sees: uint8 `[N, H, W, 1 or 3]`."""
    (centre,) = views(jnp.asarray(images), trained.image_size, "none")
    return np.asarray(luma(centre) if trained.grey else centre)


def _classes(
    names: Sequence[str], subjects: Subjects, probabilities: np.ndarray, of_class: str
) -> np.ndarray:
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
    """Calls a jitted function on `BATCH` rows at a time; the last rows are repeated to fill the last batch.

    Args:
        function: of as many arrays, whose results are trees of arrays with the same leading axis.
        *arrays: `[N, …]`, N at least 1.

    Returns:
        The results on all rows, NumPy.
    """
    count = len(arrays[0])
    parts = []
    for start in range(0, count, BATCH):
        places = np.minimum(np.arange(start, start + min(BATCH, count)), count - 1)
        parts.append(jax.device_get(function(*(array[places] for array in arrays))))
    return jax.tree.map(lambda *rows: np.concatenate(rows)[:count], *parts)
