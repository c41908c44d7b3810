"""The pictures that a run of pre-training keeps for its report: images filled in, or views of images."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.array_files import read_arrays
from ferjax.errors import UserError
from ferjax.files import replacing
from ferjax.runs.predictions import EVALUATIONS


class Reconstructions(NamedTuple):
    """Images that a masked auto-encoder filled in.

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


class ViewPairs(NamedTuple):
    """Images with two views of each, and how near a contrastive network puts them.

    Attributes:
        images: uint8 `[N, H, W, C]`.
        first: one view of each, likewise.
        second: the other.
        cosines: float32 `[N]`, between the projections of the two views.
        nearer: int64 `[N]`, of how many other images the second view is nearer to the first view.
        indices: int64 `[N]`, places in the validation split.
    """

    images: np.ndarray
    first: np.ndarray
    second: np.ndarray
    cosines: np.ndarray
    nearer: np.ndarray
    indices: np.ndarray


Pictures = Reconstructions | ViewPairs
_FILES: Mapping[type[Pictures], str] = MappingProxyType(
    {Reconstructions: "reconstructions.npz", ViewPairs: "views.npz"}
)


def save(workdir: Path, pictures: Pictures) -> None:
    """Writes the pictures into a run's folder, whole or not at all."""
    path = workdir / EVALUATIONS / _FILES[type(pictures)]
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **pictures._asdict())


def read(workdir: Path) -> Pictures | None:
    """Reads what `save` wrote; None if the run kept none.

    Raises:
        UserError: the file is damaged.
    """
    for kind, name in _FILES.items():
        if (path := workdir / EVALUATIONS / name).exists():
            return _read(path, kind)
    return None


def _read(path: Path, kind: type[Pictures]) -> Pictures:
    arrays: dict[str, Any] = read_arrays(path) or {}
    if arrays.keys() != {*kind._fields} or not _fits(arrays):
        raise UserError(f"{path} is damaged; remove it, and the report is written without its pictures")
    return kind(**arrays)


def _fits(arrays: Mapping[str, np.ndarray]) -> bool:
    """Checks shapes and dtypes: pictures of one shape, and one number for each."""
    shape = arrays["images"].shape
    if len(shape) != 4 or shape[3] not in (1, 3) or min(shape) == 0:
        return False
    numbers = {"cosines": np.floating, "nearer": np.integer, "indices": np.integer}
    return all(
        array.shape == shape[:1] and np.issubdtype(array.dtype, numbers[name])
        if name in numbers
        else array.shape == shape and array.dtype == np.uint8
        for name, array in arrays.items()
    )
