"""Computes calibrated probabilities for faces, in few batch sizes so that few programs are compiled."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ferjax.data.resize import resize
from ferjax.inference import trained
from ferjax.inference.layer_statistics import statistics_step
from ferjax.inference.needed_memory import most_pictures
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.scores.conformal import Sets

_FEW = 8  # faces in a batch of middle size: about as many as a photograph shows


class Answers(NamedTuple):
    """What a network says of B faces.

    Attributes:
        probabilities: float32 `[B, K]`; rows add up to 1.
        affect: valence and arousal, float32 `[B, 2]`, about −1 to 1; None if the network does not say them.
        unlike: bool `[B]`, whether a picture is unlike the faces of training; None if it cannot be told.
    """

    probabilities: np.ndarray
    affect: np.ndarray | None = None
    unlike: np.ndarray | None = None

    def rows(self, start: int, end: int) -> "Answers":
        """Returns those of some of the faces."""
        affect, unlike = (None if part is None else part[start:end] for part in self[1:])
        return Answers(self.probabilities[start:end], affect, unlike)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network with its weights on the device, ready for faces.

    Attributes:
        label_names: the K classes.
        image_size: S, pixels, both sides, that faces are resized to.
        resize: the filter of its training, see `ferjax.data.resize.resize`.
        grey: the network was trained on images without colour.
        temperature: divides the logits; 1 if the run has none.
        margin: room around the detector's box when a face is cut out, as a share of its longer side.
        batches: the batch sizes that are compiled, ascending; the last few faces are padded up to one.
        predict: maps uint8 `[B, S, S, 3]` to float32 `[B, K]` on the device, or `[B, K + 2]` with valence and
            arousal last; compiled once for each B.
        unsure_below: the network is unsure of a face whose most likely class has less than this; 0: never.
        has_affect: it also says valence and arousal.
        sets: makes sets of classes that hold the actual one with a stated chance; None: not measured.
        distances: maps uint8 `[B, S, S, 3]` to float64 `[B]`, how far faces lie from those of training, see
            `ferjax.scores.unlike`; None: not known.
        unlike_above: a face at a larger distance is unlike them.
    """

    label_names: tuple[str, ...]
    image_size: int
    resize: str
    grey: bool
    temperature: float
    margin: float
    batches: tuple[int, ...]
    predict: Callable[[np.ndarray], jax.Array | np.ndarray]
    unsure_below: float = 0.0
    has_affect: bool = False
    sets: Sets | None = None
    distances: Callable[[np.ndarray], np.ndarray] | None = None
    unlike_above: float = np.inf

    @classmethod
    def of(cls, network: Trained) -> "Classifier":
        """Puts the weights onto the device."""
        step = trained.answer_step(network)
        variables = jax.device_put(network.variables)

        @jax.jit
        def compiled(variables: Any, images: jax.Array) -> jax.Array:
            logs, values = step(variables, images)
            # One array, which is one way from the device.
            return jnp.exp(logs) if values is None else jnp.concatenate([jnp.exp(logs), values], axis=1)

        image_shape = (network.image_size, network.image_size, 3)
        largest = most_pictures(network.model, image_shape, network.config.eval.batch_size)
        return cls(
            label_names=network.label_names,
            image_size=network.input_size,
            resize=network.config.data.resize,
            grey=network.grey,
            temperature=network.temperature or 1.0,
            margin=network.face_margin,
            batches=tuple(sorted({min(size, largest) for size in (1, _FEW, largest)})),
            predict=lambda images: compiled(variables, images),
            unsure_below=network.unsure.below if network.unsure else 0.0,
            has_affect=network.affect_head is not None,
            sets=network.sets,
            distances=_distances(network, variables),
            unlike_above=network.unlike.above if network.unlike else np.inf,
        )

    def preprocess(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Resizes faces to the network's size by the filter of its training; the aspect ratio is not kept.

        Args:
            crops: uint8 `[H, W, 3]` each, of any size.

        Returns:
            uint8 `[B, S, S, 3]`.
        """
        size = self.image_size
        images = np.empty((len(crops), size, size, 3), np.uint8)
        for image, crop in zip(images, crops, strict=True):
            if self.grey:  # before resizing, as in training
                crop = np.asarray(Image.fromarray(crop).convert("L"))[:, :, None]
            image[:] = crop if crop.shape[:2] == (size, size) else resize(crop, size, self.resize)
        return images

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Computes the probability of each class for each face, independent of the other faces.

        Args:
            images: uint8 `[B, S, S, 3]`, see `preprocess`; B may be 0.

        Returns:
            float32 `[B, K]`; rows add up to 1.
        """
        probabilities, _ = self._said(images)
        return probabilities

    def answers(self, images: np.ndarray) -> Answers:
        """Computes `probabilities`, and all else that the network says of each face.

        Args:
            images: see `probabilities`.
        """
        return Answers(*self._said(images), self._unlike(images))

    def _said(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        parts = self._in_batches(self.predict, images)
        classes = len(self.label_names)
        said = np.concatenate([np.empty((0, classes + 2 * self.has_affect), np.float32), *parts])
        return (said[:, :classes], said[:, classes:]) if self.has_affect else (said, None)

    def _unlike(self, images: np.ndarray) -> np.ndarray | None:
        if self.distances is None:
            return None
        return np.concatenate([[], *self._in_batches(self.distances, images)]) > self.unlike_above

    def _in_batches(
        self, compute: Callable[[np.ndarray], jax.Array | np.ndarray], images: np.ndarray
    ) -> list[np.ndarray]:
        """Computes something of each picture, in batches of the sizes that are compiled."""
        computed, start = [], 0
        while start < len(images):
            size = self._batch(len(images) - start)
            rows = images[start : start + size]
            padding = np.zeros((size - len(rows), *rows.shape[1:]), np.uint8)
            computed.append((compute(np.concatenate([rows, padding])), len(rows)))
            start += len(rows)
        # Fetched only now: while the device computes one batch, the next one is handed to it.
        return [np.asarray(part)[:count] for part, count in computed]

    def set_of(self, probabilities: np.ndarray) -> list[str] | None:
        """Names the classes of a face's set, the most likely first; None if sets were not measured.

        Args:
            probabilities: float `[K]`, see `probabilities`.
        """
        if self.sets is None:
            return None
        inside = self.sets.members(probabilities[None], self.temperature)[0]
        order = np.argsort(-probabilities, kind="stable")
        return [self.label_names[index] for index in order if inside[index]]

    def _batch(self, left: int) -> int:
        """Chooses the next batch's size: the largest full one, or for few faces one that holds them all."""
        if left <= self.batches[:2][-1]:
            return min(size for size in self.batches if size >= left)
        return max(size for size in self.batches if size <= left)


def _distances(network: Trained, variables: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    if network.unlike is None:
        return None
    reference = network.unlike
    step = jax.jit(statistics_step(network, reference.layer))
    return lambda images: reference.distances(np.asarray(step(variables, images)))


def load(path: Path | str) -> Classifier:
    """Opens a run's workdir, or a bundle that `python -m ferjax export` wrote.

    Raises:
        UserError: the path is neither, or damaged.

    Example:
        >>> from ferjax.inference import classifier, pictures
        >>> network = classifier.load("runs/mine")
        >>> faces = network.preprocess([pictures.read("face.png")])
        >>> probabilities = network.probabilities(faces)
        >>> probabilities.shape, len(network.label_names)
        ((1, 7), 7)
    """
    return Classifier.of(open_network(path))
