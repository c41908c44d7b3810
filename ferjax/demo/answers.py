"""What the demo page shows of a picture: its faces, what the network says of each, and where it looked."""

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ferjax.augment import normalise
from ferjax.deploy import output_rows
from ferjax.deploy.annotate import annotate
from ferjax.deploy.faces import Detector, Face, crop
from ferjax.deploy.output_rows import Row
from ferjax.explain import heat
from ferjax.explain.explained import choose_methods, what_is_seen
from ferjax.explain.methods import METHODS
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network

MOST_FACES = 12  # of one picture; the largest
_SIDE = 256  # pixels, both sides, of a face on the page
_WIDEST = 1280  # pixels of a whole picture
_ROOM = 400  # pixels, on the shorter side, that marks have


class Look(NamedTuple):
    """One face.

    Attributes:
        seen: uint8 `[H, W, 3]`, what the network sees of it, enlarged.
        heat: the same under the map of its class; None if none was asked for.
        chances: class → probability, the highest first.
    """

    seen: np.ndarray
    heat: np.ndarray | None
    chances: dict[str, float]


class Answer(NamedTuple):
    """A picture.

    Attributes:
        marked: uint8 `[H, W, 3]`, the picture with its faces marked, at a size for a page; None of a
            picture that is one face.
        looks: of its faces, at most `MOST_FACES`; none if no face was found.
        left_out: faces beyond these.
    """

    marked: np.ndarray | None
    looks: list[Look]
    left_out: int


class Demo:
    """A network that is asked about one picture after the other; compiled programs are kept between them.

    Args:
        path: a run's workdir, or a bundle.

    Raises:
        UserError: it is neither, or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.network = open_network(path)
        self.classifier = Classifier.of(self.network)
        self.methods = tuple(name for name in choose_methods(self.network, ()) if name in METHODS)
        self._variables = jax.device_put(self.network.variables)
        self._maps = {name: jax.jit(partial(METHODS[name], self.network.model)) for name in self.methods}
        self._detector: Detector | None = None

    def ask(self, image: np.ndarray, whole: bool, method: str = "") -> Answer:
        """Looks at a picture.

        Args:
            image: uint8 `[H, W, 3]`.
            whole: the picture is one face, already cut out.
            method: one of `methods`, which explains the class of the highest probability; empty: none.

        Raises:
            UserError: faces are to be found, and the detector's package is not installed.
        """
        faces = [None] if whole else self._find(image)
        shown = faces[:MOST_FACES]
        crops = self.classifier.preprocess([image if face is None else crop(image, face) for face in shown])
        said = self.classifier.probabilities(crops)
        names = self.network.label_names
        looks = [
            Look(*self._pictures(face[None], chances, method), output_rows.best(chances, names, 0))
            for face, chances in zip(crops, said, strict=True)
        ]
        marked = None if whole else _marked(image, shown, said, names)
        return Answer(marked, looks, len(faces) - len(shown))

    def _find(self, image: np.ndarray) -> list[Face]:
        self._detector = self._detector or Detector()
        return self._detector.find(image)

    def _pictures(
        self, face: np.ndarray, chances: np.ndarray, method: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Of one face `[1, S, S, 3]`: one at a time, because every other number would be compiled anew."""
        seen = what_is_seen(self.network, face)
        below = Image.fromarray(seen[0].repeat(3 // seen.shape[-1], -1)).resize((_SIDE, _SIDE))
        if not method:
            return np.asarray(below), None
        classes = jnp.asarray([chances.argmax()], jnp.int32)
        found = np.asarray(self._maps[method](self._variables, normalise(jnp.asarray(seen)), classes))
        above = Image.open(io.BytesIO(heat.png(heat.scaled(found)[0]))).convert("RGBA").resize(below.size)
        laid = Image.alpha_composite(below.convert("RGBA"), above).convert("RGB")
        return np.asarray(below), np.asarray(laid)


def _marked(
    image: np.ndarray, faces: Sequence[Face], said: np.ndarray, label_names: Sequence[str]
) -> np.ndarray:
    scale = max(1, -(-_ROOM // min(image.shape[:2])))
    if scale > 1:
        height, width, _ = image.shape
        image = np.asarray(Image.fromarray(image).resize((width * scale, height * scale)))
    marks = [
        Row("", output_rows.OK, box=tuple(scale * side for side in face.box), probabilities=chances)
        for face, chances in zip(faces, said, strict=True)
    ]
    shown = Image.fromarray(annotate(image, marks, label_names, top_k=1))
    shown.thumbnail((_WIDEST, _WIDEST))
    return np.asarray(shown)
