"""The worst mistakes of a run with their pictures: wrong answers with the highest probabilities."""

import dataclasses
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ferjax import data
from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.report.embedded import photograph
from ferjax.report.wording import percent
from ferjax.runs.predictions import Predictions

SHOWN = 18


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A test image that was classified wrongly.

    Attributes:
        index: its place in the test split.
        actual: the label's class.
        predicted: the class of the highest probability.
        confidence: the probability of the predicted class, in [0, 1].
        of_actual: the probability of the label's class, in [0, 1].
        picture: a data URI; empty if there is no picture.
    """

    index: int
    actual: str
    predicted: str
    confidence: float
    of_actual: float
    picture: str


def worst(config: Mapping[str, Any], test: Predictions) -> tuple[list[Mistake], str]:
    """Lists the mistakes with the highest probabilities.

    Args:
        config: the run's config, which says where the images are.
        test: the run's predictions of its test split.

    Returns:
        The mistakes, and why they have no pictures (empty if they have).
    """
    wrong = np.flatnonzero(~test.right)
    confidence = test.log_probabilities[wrong, test.predicted[wrong]]
    chosen = wrong[np.argsort(-confidence, kind="stable")[:SHOWN]]
    pictures, reason = _pictures(config, test, chosen)
    names, predicted = test.label_names, test.predicted
    mistakes = [
        Mistake(
            int(test.indices[row]),
            names[test.labels[row]],
            names[predicted[row]],
            float(np.exp(test.log_probabilities[row, predicted[row]])),
            float(np.exp(test.log_probabilities[row, test.labels[row]])),
            picture,
        )
        for row, picture in zip(chosen, pictures, strict=True)
    ]
    return mistakes, reason


def _pictures(config: Mapping[str, Any], test: Predictions, rows: np.ndarray) -> tuple[list[str], str]:
    """Encodes the images of these rows; empty texts and the reason if they cannot be read."""
    nothing = [""] * len(rows)
    settings = config.get("data")
    if not isinstance(settings, dict):
        return nothing, "its config names no data set"
    folder = settings.get("dir") or None
    try:
        if not builders.folder(test.dataset, folder).exists():
            return nothing, f"{test.dataset} is not on this machine"
        source = data.load(
            test.dataset,
            test.split,
            folder,
            image_size=settings.get("source_size") or settings.get("image_size"),
            resize=settings.get("resize", "pil"),
            cache="stream",
            val_fraction=settings.get("val_fraction", 0.1),
            fold=settings.get("fold", ""),
        )
    except UserError as error:
        return nothing, str(error)
    if source.digest() != test.split_digest:
        return nothing, f"{test.dataset} on this machine is not the one that the run was tested on"
    images = source.take(test.indices[rows])["image"] if len(rows) else []
    return [photograph(image) for image in images], ""


def gallery(mistakes: list[Mistake], reason: str) -> str:
    """Formats the mistakes as HTML."""
    if not mistakes:
        return "<p>No test image was classified wrongly.</p>"
    note = f'<p class="muted">Without pictures: {escape(reason)}.</p>' if reason else ""
    return f'{note}<div class="gallery">{"".join(map(_figure, mistakes))}</div>'


def _figure(mistake: Mistake) -> str:
    picture = f'<img alt="" src="{mistake.picture}">' if mistake.picture else ""
    actual = f"{escape(mistake.actual)} {percent(mistake.of_actual, 0)}"
    return (
        f'<figure class="panel mistake">{picture}<figcaption><b>{escape(mistake.predicted)}</b> '
        f"{percent(mistake.confidence, 0)}<span>is {actual}</span>"
        f"<small>test {mistake.index:,}</small></figcaption></figure>"
    )
