"""Computes what a fold's network reads in its last layer for images of its set, and keeps it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.sources import StreamSource
from ferjax.errors import UserError
from ferjax.inference.needed_memory import most_pictures
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.labels.folds import FoldRun
from ferjax.labels.whole_set import WholeSet
from ferjax.models.observed import classifier_of, observed
from ferjax.platform.progress_bar import progress
from ferjax.runs.workdir import RESULT
from ferjax.training.network import image_shape


class Features:
    """Computes features by one network after another of the same kind; compiles once.

    Args:
        whole: the set.
        folder: where they are kept.
    """

    def __init__(self, whole: WholeSet, folder: Path) -> None:
        self._whole = whole
        self._folder = folder
        self._step: Callable[[Any, np.ndarray], jax.Array] | None = None

    def of(self, run: FoldRun, number: int, examples: np.ndarray) -> np.ndarray:
        """Returns float16 [n, F] of unit length; from the file of the last time if all is the same.

        Args:
            run: of a fold.
            number: of the fold, for the file's name.
            examples: int64 [n], which ones of the whole set.
        """
        path = self._folder / f"features-{number}.npz"
        identity = hashlib.sha256((run.workdir / RESULT).read_bytes())
        identity.update(self._whole.records.index.digest.encode() + examples.astype("<i8").tobytes())
        kept = read_arrays(path)
        if kept is not None and str(kept.get("of", "")) == identity.hexdigest():
            features = kept.get("features")
            if features is not None and features.ndim == 2 and len(features) == len(examples):
                return features
        features = self._compute(open_network(run.workdir), examples)
        write_arrays(path, of=np.array(identity.hexdigest()), features=features)
        return features

    def _compute(self, network: Trained, examples: np.ndarray) -> np.ndarray:
        data = network.config.data
        source = StreamSource(
            self._whole.records, image_size=data.source_size or data.image_size, resize=data.resize
        )
        self._step = self._step or jax.jit(feature_step(network))
        variables = jax.device_put(network.variables)
        size = most_pictures(network.model, image_shape(network.config), network.config.eval.batch_size)
        parts = []
        title = f"features of {source.name}"
        for start in progress(title, "batches", range(0, len(examples), size)):
            rows = source.take(examples[start : start + size])["image"]
            padding = np.zeros((size - len(rows), *rows.shape[1:]), np.uint8)
            parts.append(np.asarray(self._step(variables, np.concatenate([rows, padding])))[: len(rows)])
        return np.concatenate(parts)


def feature_step(network: Trained) -> Callable[[Any, jax.Array], jax.Array]:
    """Builds `step(variables, images) -> features`: uint8 `[B, H, W, C]` to float16 `[B, F]` of unit length.

    The features are what the linear layer takes whose result is the logits; where a network has no such
    layer, the logits.

    Args:
        network: its weights are not used.
    """
    config, size = network.config, network.config.data.image_size
    try:
        classifier = classifier_of(network.model, image_shape(config), "labels")
    except UserError:
        classifier = ""
    apply = observed(network.model.apply, classifier=classifier)
    dtype = jnp.dtype(config.train.precision)

    def step(variables: Any, images: jax.Array) -> jax.Array:
        seen = views(images, size, "none")[0]
        logits, found = apply(variables, normalise(seen, dtype), train=False)
        features = (found.features if classifier else logits).astype(jnp.float32)
        lengths = jnp.linalg.norm(features, axis=-1, keepdims=True)
        return (features / jnp.maximum(lengths, 1e-12)).astype(jnp.float16)

    return step
