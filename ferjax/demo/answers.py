"""Finds the faces of a picture for the demo page, with their probabilities and heat maps."""

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
from ferjax.deploy import engines, output_rows
from ferjax.deploy.annotate import annotate
from ferjax.deploy.faces import Detector, crop
from ferjax.deploy.output_rows import Row
from ferjax.deploy.predict import face_rows
from ferjax.explain import heat_colours
from ferjax.explain.methods import METHODS
from ferjax.explain.run_methods import choose_methods, network_input
from ferjax.inference.open_run import open_network

MOST_FACES = 12  # of one picture; the largest
_FACE_SIDE = 256  # pixels, both sides, of a face on the page
_LARGEST_SIDE = 1280  # pixels of a whole picture on the page
_LARGEST_ENLARGED = 4 * _LARGEST_SIDE
_SMALLEST_SIDE = 400  # pixels that the shorter side is enlarged to at least, so that marks have room


class Look(NamedTuple):
    """A face on the page.

    Attributes:
        seen: uint8 `[H, W, 3]`, the network's input, enlarged.
        heat: the same below the heat map of the most likely class; None without a method.
        chances: class → probability, the highest first.
        unsure: the highest is below the network's threshold.
        unlike: it is unlike the faces that the network was trained on.
    """

    seen: np.ndarray
    heat: np.ndarray | None
    chances: dict[str, float]
    unsure: bool = False
    unlike: bool = False


class Answer(NamedTuple):
    """All that the page shows of a picture.

    Attributes:
        marked: uint8 `[H, W, 3]`, the picture with its faces marked, resized for the page; None if the whole
            picture is a face.
        looks: its faces, at most `MOST_FACES`; empty if no face was found.
        left_out: how many more faces there are.
    """

    marked: np.ndarray | None
    looks: list[Look]
    left_out: int


class Demo:
    """A network that answers for one picture after the other; compiled programs are kept between them.

    Args:
        path: a run's workdir, or a bundle.
        engine: see `ferjax.deploy.engines.classifier`.

    Raises:
        UserError: the path is neither, or damaged; or the engine is not installed.
    """

    def __init__(self, path: Path | str, engine: str = engines.XLA) -> None:
        self.network = open_network(path)
        self.classifier = engines.classifier(self.network, engine)
        self.methods = tuple(name for name in choose_methods(self.network, ()) if name in METHODS)
        self._variables = jax.device_put(self.network.variables)
        self._maps = {name: jax.jit(partial(METHODS[name], self.network.model)) for name in self.methods}
        self._detector = Detector()

    def ask(self, image: np.ndarray, whole: bool, method: str = "") -> Answer:
        """Finds and classifies the faces of a picture.

        Args:
            image: uint8 `[H, W, 3]`.
            whole: the picture is one face, already cut out.
            method: one of `methods`, for the heat map of the most likely class; empty: no heat map.
        """
        faces = [] if whole else self._detector.find(image)
        shown = faces[:MOST_FACES]
        crops = self.classifier.preprocess(
            [image] if whole else [crop(image, face, self.classifier.margin) for face in shown]
        )
        names, below = self.network.label_names, self.classifier.unsure_below
        places = [None] if whole else shown
        rows = face_rows("", range(1, len(crops) + 1), places, self.classifier.answers(crops))
        looks = [self._look(face, row, method) for face, row in zip(crops, rows, strict=True)]
        marked = None if whole else _marked(image, rows, names, below)
        return Answer(marked, looks, len(faces) - len(shown))

    def _look(self, face: np.ndarray, row: Row, method: str) -> Look:
        chances = row.probabilities
        assert chances is not None
        return Look(
            *self._pictures(face[None], chances, method),
            output_rows.top_classes(chances, self.network.label_names, 0),
            output_rows.is_unsure(chances, self.classifier.unsure_below),
            bool(row.unlike),
        )

    def _pictures(
        self, face: np.ndarray, chances: np.ndarray, method: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Draws one face `[1, S, S, 3]`, alone and with its heat map.

        One at a time, because each other number of faces would be compiled again.
        """
        seen = network_input(self.network, face)
        below = Image.fromarray(seen[0].repeat(3 // seen.shape[-1], -1)).resize((_FACE_SIDE, _FACE_SIDE))
        if not method:
            return np.asarray(below), None
        classes = jnp.asarray([chances.argmax()], jnp.int32)
        maps = np.asarray(self._maps[method](self._variables, normalise(jnp.asarray(seen)), classes))
        above = (
            Image.open(io.BytesIO(heat_colours.png(heat_colours.scaled(maps)[0])))
            .convert("RGBA")
            .resize(below.size)
        )
        both = Image.alpha_composite(below.convert("RGBA"), above).convert("RGB")
        return np.asarray(below), np.asarray(both)


def _marked(
    image: np.ndarray, rows: Sequence[Row], label_names: Sequence[str], unsure_below: float
) -> np.ndarray:
    """Draws the faces' boxes and most likely classes, and resizes the picture for the page."""
    shorter, longer = sorted(image.shape[:2])
    # A picture of 20,000 × 1 pixels would otherwise become one of 8,000,000 × 400.
    scale = max(1, min(-(-_SMALLEST_SIDE // shorter), _LARGEST_ENLARGED // longer))
    if scale > 1:
        height, width, _ = image.shape
        image = np.asarray(Image.fromarray(image).resize((width * scale, height * scale)))
    marks = []
    for row in rows:
        left, top, right, bottom = row.box or (0, 0, 0, 0)
        marks.append(row._replace(box=(scale * left, scale * top, scale * right, scale * bottom)))
    shown = Image.fromarray(annotate(image, marks, label_names, 1, unsure_below))
    shown.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    return np.asarray(shown)
