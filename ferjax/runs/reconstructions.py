"""The pictures of a masked auto-encoder that a run keeps for its report: original, masked and filled in."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferjax.data.array_files import read_arrays
from ferjax.errors import UserError
from ferjax.files import replacing
from ferjax.runs.predictions import EVALUATIONS

_FILE = "reconstructions.npz"


class Reconstructions(NamedTuple):
    """Images that were filled in.

    Attributes:
        images: uint8 `[N, H, W, 3]`.
        masked: the same with the hidden patches grey.
        reconstructed: the same with the hidden patches as the network guesses them; where it guesses
            normalised patches, with the mean and the contrast of the original.
        indices: int64 `[N]`, places in the validation split.
    """

    images: np.ndarray
    masked: np.ndarray
    reconstructed: np.ndarray
    indices: np.ndarray


def save(workdir: Path, pictures: Reconstructions) -> None:
    """Writes the pictures into a run's folder, whole or not at all."""
    path = workdir / EVALUATIONS / _FILE
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **pictures._asdict())


def read(workdir: Path) -> Reconstructions | None:
    """Reads what `save` wrote; None if the run kept none.

    Raises:
        UserError: the file is damaged.
    """
    path = workdir / EVALUATIONS / _FILE
    if not path.exists():
        return None
    arrays = read_arrays(path) or {}
    try:
        pictures = Reconstructions(**arrays)
    except TypeError:
        pictures = None
    if pictures is None or not _fits(pictures):
        raise UserError(f"{path} is damaged; remove it, and the report is written without its pictures")
    return pictures


def _fits(pictures: Reconstructions) -> bool:
    shape = pictures.images.shape
    return (
        len(shape) == 4
        and shape[3] == 3
        and min(shape) > 0
        and all(each.shape == shape and each.dtype == np.uint8 for each in pictures[:3])
        and pictures.indices.shape == shape[:1]
        and np.issubdtype(pictures.indices.dtype, np.integer)
    )
