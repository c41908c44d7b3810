"""The worst mistakes of a run with their pictures: wrong answers with the highest probabilities."""

import dataclasses
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ferjax import data
from ferjax.config import FIELDS
from ferjax.config.field import shown
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


def worst(config: Mapping[str, Any] | None, test: Predictions) -> tuple[list[Mistake], str]:
    """Lists the mistakes with the highest probabilities.

    Args:
        config: the run's config, which says where the images are; None: no pictures are wanted.
        test: the run's predictions of its test split.

    Returns:
        The mistakes, and why they have no pictures (empty if they have).
    """
    wrong = np.flatnonzero(~test.right)
    confidence = test.log_probabilities[wrong, test.predicted[wrong]]
    chosen = wrong[np.argsort(-confidence, kind="stable")[:SHOWN]]
    pictures, reason = [""] * len(chosen), "this page is written to be passed on"
    if config is not None:
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
    if not isinstance(config.get("data"), dict):
        return nothing, "its config names no data set"
    try:
        settings = _settings(config["data"])
        folder = settings["dir"] or None
        if not builders.folder(test.dataset, folder).exists():
            return nothing, f"{test.dataset} is not on this machine"
        source = data.load(
            test.dataset,
            test.split,
            folder,
            image_size=settings["source_size"] or settings["image_size"],
            resize=settings["resize"],
            cache="stream",
            val_fraction=settings["val_fraction"],
            test_fraction=settings["test_fraction"],
            fold=settings["fold"],
            inner_fold=settings["inner_fold"],
            relabel=settings["relabel"],
        )
    except UserError as error:
        return nothing, str(error)
    if source.digest() != test.split_digest:
        return nothing, f"{test.dataset} on this machine is not the one that the run was tested on"
    images = source.take(test.indices[rows])["image"] if len(rows) else []
    return [photograph(image) for image in images], ""


def _settings(data_group: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that say which images a run had; UserError if one is wrong."""
    rows = {field.name.removeprefix("data."): field for field in FIELDS if field.name.startswith("data.")}
    settings = {}
    for name in (
        "dir", "image_size", "source_size", "resize", "val_fraction", "test_fraction", "fold",
        "inner_fold", "relabel",
    ):  # fmt: skip
        value = settings[name] = data_group.get(name, rows[name].default)
        if type(value) is not type(rows[name].default):
            raise UserError(f"config field data.{name} takes a {rows[name].type_name}, not {shown(value)}")
        rows[name].check(value)
    return settings


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
