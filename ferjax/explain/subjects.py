"""Chooses the images to explain: the user's files, or examples of a split, right ones and mistakes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ferjax.data.images import BadImage
from ferjax.data.sources import Source
from ferjax.errors import UserError, listed
from ferjax.inference import inputs, pictures
from ferjax.inference.classifier import Classifier
from ferjax.inference.score_run import load_for
from ferjax.inference.trained import Trained

SURE = 0.9  # Huang et al., 2023: feature maps of images whose score is above 0.90
LARGEST_PAGE = 400  # images: some 40 MB of page
UNKNOWN = -1
_CANDIDATES = 2048  # examples of a split that are predicted to choose from
_CHUNK = 256
_NO_FACE = "no face was found; --cropped takes every picture as one face"
_MISTAKES = 3  # every third chosen example is a mistake, if there are as many


class Subjects(NamedTuple):
    """N images at the size that the network reads.

    Attributes:
        names: the images' names.
        images: uint8 `[N, S, S, 3]`.
        labels: int32 `[N]`, the actual classes, or `UNKNOWN`.
        unread: (name, reason) of each file that could not be read; with any, the command exits with 1.
        skipped: (name, reason) of each file that is no picture.
    """

    names: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    unread: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


def from_files(
    arguments: Sequence[str],
    classifier: Classifier,
    cut: Callable[[np.ndarray], Sequence[np.ndarray]] | None = None,
) -> Subjects:
    """Reads pictures and cuts out their faces; each is resized to the network's size.

    Args:
        arguments: files, folders and patterns, see `ferjax.inference.inputs.expand`.
        classifier: the network's.
        cut: returns the faces of a picture uint8 `[H, W, 3]`, each such an array; None: every picture is one.

    Raises:
        UserError: no picture can be read, none has a face, or there are more faces than a page holds.
    """
    paths: list[tuple[str, Path]] = []
    unread, skipped = [], []
    for entry in inputs.expand(arguments):
        if entry.kind == "picture":
            paths.append((entry.name, entry.path))
        elif entry.kind == "failed":
            unread.append((entry.name, entry.reason))
        else:
            skipped.append((entry.name, entry.reason or f"is a {entry.kind}: only pictures are explained"))
    if len(paths) > LARGEST_PAGE:
        raise UserError(f"{len(paths):,} pictures are too many for a page; name at most {LARGEST_PAGE}")
    faces, names = [], []
    for name, path in paths:
        try:
            image = pictures.read(path)
        except BadImage as error:
            unread.append((name, str(error)))
            continue
        crops = [image] if cut is None else cut(image)
        if not crops:
            skipped.append((name, _NO_FACE))
        faces += list(classifier.preprocess(crops))
        names += [name] if len(crops) == 1 else [f"{name}, face {place + 1}" for place in range(len(crops))]
    if len(faces) > LARGEST_PAGE:
        raise UserError(f"{len(faces):,} faces are too many for a page; name pictures of {LARGEST_PAGE}")
    if not faces:
        reasons = [f"{name}: {reason}" for name, reason in (*unread, *skipped)]
        raise UserError(f"nothing can be explained: {listed(reasons, most=1, separator='; ')}")
    labels = np.full(len(faces), UNKNOWN, np.int32)
    return Subjects(tuple(names), np.stack(faces), labels, tuple(unread), tuple(skipped))


def from_split(trained: Trained, classifier: Classifier, split: str, count: int, data_dir: str) -> Subjects:
    """Chooses examples of the run's own data set: right and sure ones of every class in turn, and mistakes.

    Args:
        trained: the network.
        classifier: the same network's.
        split: a split of its data set.
        count: how many examples.
        data_dir: the folder of built sets; the run's own if empty.

    Raises:
        UserError: the split is missing or damaged, or `count` is more than a page holds.
    """
    if not 1 <= count <= LARGEST_PAGE:
        raise UserError(f"--count is {count}; a page holds 1 to {LARGEST_PAGE} images")
    config = trained.config
    if trained.imported:
        raise UserError(
            "the network was imported, and has no data set of its own: name pictures with --images"
        )
    source = load_for(config, config.data.name, split, data_dir or config.data.dir)
    places = np.unique(np.linspace(0, len(source) - 1, min(len(source), _CANDIDATES)).astype(np.int64))
    probabilities = np.concatenate(
        [
            classifier.probabilities(_rgb(source, part))
            for part in np.split(places, range(_CHUNK, len(places), _CHUNK))
        ]
    )
    chosen = choose(probabilities, source.labels[places], count)
    indices = places[chosen]
    names = tuple(f"{source.name} {split} {index:,}" for index in indices)
    return Subjects(names, _rgb(source, indices), source.labels[indices].astype(np.int32))


def _rgb(source: Source, indices: np.ndarray) -> np.ndarray:
    images = source.take(indices)["image"]
    return images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1)


def choose(
    probabilities: Float[np.ndarray, "N K"], labels: Int[np.ndarray, " N"], count: int
) -> Int[np.ndarray, " chosen"]:
    """Chooses examples to show: a third of them mistakes, the surest first; the others right.

    Right ones have a probability above `SURE`, and are taken from every class in turn, in their order; if
    there are too few, the surest of the rest follow.

    Args:
        probabilities: float `[N, K]`.
        labels: int `[N]`.
        count: how many.

    Returns:
        int64 `[min(count, N)]`, the right ones first.
    """
    predicted, sure = probabilities.argmax(-1), probabilities.max(-1)
    right = predicted == labels
    by_sureness = np.argsort(-sure, kind="stable")
    mistakes = by_sureness[~right[by_sureness]][: count // _MISTAKES]
    good = np.flatnonzero(right & (sure > SURE))
    turn = np.empty(len(good), np.int64)  # how many of the same class come before
    for label in np.unique(labels[good]):
        own = labels[good] == label
        turn[own] = np.arange(own.sum())
    shown = good[np.lexsort((labels[good], turn))]
    rest = by_sureness[~np.isin(by_sureness, np.concatenate([shown, mistakes]))]
    shown = np.concatenate([shown, rest])[: count - len(mistakes)]
    return np.concatenate([shown, mistakes])
