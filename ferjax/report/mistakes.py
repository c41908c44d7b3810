"""The worst mistakes of a run with their pictures: what it was most sure of and had wrong."""

from html import escape
from typing import NamedTuple

import numpy as np

from ferjax import data
from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.report.embedded import photograph
from ferjax.report.run import Run
from ferjax.report.wording import percent
from ferjax.runs.predictions import Predictions

SHOWN = 18


class Mistake(NamedTuple):
    """An example: its index in the test split, the two classes, and their probabilities."""

    index: int
    actual: str
    predicted: str
    sure: float
    of_actual: float
    picture: str  # a data URI; empty where there is none


def worst(run: Run) -> tuple[list[Mistake], str]:
    """The mistakes that the network was most sure of, and why there are no pictures (empty if there are).

    Args:
        run: one with predictions of test.
    """
    said = run.test
    wrong = np.flatnonzero(~said.right)
    sure = said.log_probabilities[wrong, said.predicted[wrong]]
    chosen = wrong[np.argsort(-sure, kind="stable")[:SHOWN]]
    pictures, reason = _pictures(run, said, chosen)
    names = said.label_names
    found = [
        Mistake(
            int(said.indices[row]),
            names[said.labels[row]],
            names[said.predicted[row]],
            float(np.exp(said.log_probabilities[row, said.predicted[row]])),
            float(np.exp(said.log_probabilities[row, said.labels[row]])),
            picture,
        )
        for row, picture in zip(chosen, pictures, strict=True)
    ]
    return found, reason


def _pictures(run: Run, said: Predictions, rows: np.ndarray) -> tuple[list[str], str]:
    nothing = [""] * len(rows)
    settings = run.config.get("data")
    if not isinstance(settings, dict):
        return nothing, "its config names no data set"
    folder = settings.get("dir") or None
    try:
        if not builders.folder(said.dataset, folder).exists():
            return nothing, f"{said.dataset} is not on this machine"
        source = data.load(
            said.dataset,
            said.split,
            folder,
            image_size=settings.get("source_size") or settings.get("image_size"),
            resize=settings.get("resize", "pil"),
            cache="stream",
            val_fraction=settings.get("val_fraction", 0.1),
            fold=settings.get("fold", ""),
        )
    except UserError as error:
        return nothing, str(error)
    if source.digest() != said.split_digest:
        return nothing, f"{said.dataset} on this machine is another than the run was tested on"
    images = source.take(said.indices[rows])["image"] if len(rows) else []
    return [photograph(image) for image in images], ""


def gallery(found: list[Mistake], reason: str) -> str:
    """The mistakes as HTML."""
    if not found:
        return "<p>No test image was classified wrongly.</p>"
    note = f'<p class="muted">Without pictures: {escape(reason)}.</p>' if reason else ""
    return f'{note}<div class="gallery">{"".join(map(_figure, found))}</div>'


def _figure(mistake: Mistake) -> str:
    picture = f'<img alt="" src="{mistake.picture}">' if mistake.picture else ""
    return (
        f'<figure class="panel mistake">{picture}<figcaption><b>{escape(mistake.predicted)}</b> '
        f"{percent(mistake.sure, 0)}<span>is {escape(mistake.actual)} {percent(mistake.of_actual, 0)}</span>"
        f"<small>test {mistake.index:,}</small></figcaption></figure>"
    )
