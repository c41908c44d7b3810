"""A trained network in hand: faces in, calibrated probabilities out."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ferjax.data.resize import resize
from ferjax.inference import trained
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained

_FEW = 8  # faces in a middle batch: a photograph's


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network that is asked about faces.

    Attributes:
        label_names: the K classes.
        image_size: S, pixels, both sides, that faces are resized to.
        resize: how, see `ferjax.data.resize.resize`: as in training.
        grey: whether the network was trained on images without colour.
        temperature: what its logits are divided by; 1 where nothing is known.
        batches: how many faces are computed at once, ascending; the last few are padded up.
        predict: from uint8 `[B, S, S, 3]` to float32 `[B, K]`, on the device; compiled for every B.
    """

    label_names: tuple[str, ...]
    image_size: int
    resize: str
    grey: bool
    temperature: float
    batches: tuple[int, ...]
    predict: Callable[[np.ndarray], jax.Array]

    @classmethod
    def of(cls, network: Trained) -> "Classifier":
        """Puts the weights onto the device."""
        step = trained.predict_step(network)
        variables = jax.device_put(network.variables)
        compiled = jax.jit(lambda variables, images: jnp.exp(step(variables, images)))
        largest = network.config.eval.batch_size
        return cls(
            label_names=network.label_names,
            image_size=network.input_size,
            resize=network.config.data.resize,
            grey=network.grey,
            temperature=network.temperature or 1.0,
            batches=tuple(sorted({min(size, largest) for size in (1, _FEW, largest)})),
            predict=lambda images: compiled(variables, images),
        )

    def preprocess(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Stretches faces to what the network takes, by the filter of its training.

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
        """What the network makes of each face, whatever the other faces are.

        Args:
            images: uint8 `[B, S, S, 3]`, see `preprocess`; B may be 0.

        Returns:
            float32 `[B, K]`; rows add up to 1.
        """
        said, start = [], 0
        while start < len(images):
            size = self._batch(len(images) - start)
            rows = images[start : start + size]
            padding = np.zeros((size - len(rows), *rows.shape[1:]), np.uint8)
            said.append((self.predict(np.concatenate([rows, padding])), len(rows)))
            start += len(rows)
        # Only now: while the device computes one batch, the next one is handed to it.
        parts = [np.asarray(part)[:count] for part, count in said]
        return np.concatenate([np.empty((0, len(self.label_names)), np.float32), *parts])

    def _batch(self, left: int) -> int:
        """The size of the next batch of so many faces: a full one, or for a few one that holds them all."""
        if left <= self.batches[:2][-1]:
            return min(size for size in self.batches if size >= left)
        return max(size for size in self.batches if size <= left)


def load(path: Path | str) -> Classifier:
    """Reads a run's workdir, or a bundle that `python -m ferjax export` wrote.

    Raises:
        UserError: it is neither, or damaged.
    """
    return Classifier.of(open_network(path))
