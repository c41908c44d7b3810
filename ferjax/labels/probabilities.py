"""Out-of-sample probabilities of a whole set: collected from folds, or made elsewhere, in a file."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferjax.data.array_files import read_arrays
from ferjax.errors import UserError
from ferjax.labels.folds import FoldRun
from ferjax.labels.whole_set import WholeSet
from ferjax.platform import outputs

VERB = "labels"
_ROWS_ADD_UP = 0.01  # how far a row may be from 1


class Probabilities(NamedTuple):
    """What networks predict that have not seen the example.

    Attributes:
        values: float32 [N, K]; rows add up to 1.
        folds: int64 [N], which network it was, from 0 on.
        features: float16 [N, F] of unit length from a file of elsewhere; None where folds have their own.
    """

    values: np.ndarray
    folds: np.ndarray
    features: np.ndarray | None = None


def collected(runs: Iterable[FoldRun], whole: WholeSet) -> Probabilities:
    """Puts the predictions of all folds together, see `ferjax.labels.folds.check_whole`."""
    values = np.empty((len(whole.labels), len(whole.label_names)), np.float32)
    folds = np.empty(len(whole.labels), np.int64)
    for number, run in enumerate(runs):
        values[run.examples] = run.probabilities
        folds[run.examples] = number
    return Probabilities(values, folds)


def save(path: Path, probabilities: Probabilities, whole: WholeSet) -> None:
    """Writes them as `read` takes them."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        probabilities=probabilities.values,
        folds=probabilities.folds,
        label_names=np.array(whole.label_names),
        digest=np.array(whole.digest()),
    )
    outputs.write(VERB, path, buffer.getvalue())


def read(path: Path, whole: WholeSet) -> Probabilities:
    """Reads probabilities that were made elsewhere.

    Args:
        path: an .npz file. It holds `probabilities` [N, K], a row for each stored example, split after split;
            `label_names`, the K classes in its order; and if you like `digest`, of the set as ferjax wrote
            it, `folds` [N], and `features` [N, F] in which neighbours are alike.
        whole: the set.

    Raises:
        UserError: there is no such file, it holds something else, or is of another set.
    """
    if not path.is_file():
        raise UserError(f"--probabilities={path} is not there, or no plain file")
    arrays = read_arrays(path) or {}
    values, names = arrays.get("probabilities"), arrays.get("label_names")
    if values is None or names is None or values.ndim != 2 or values.dtype.kind != "f":
        raise UserError(
            f"{path} holds no probabilities: it must be an .npz file with the arrays probabilities, "
            "float [N, K], and label_names, text [K]; see docs/labels.md"
        )
    number, what = len(whole.labels), f"{whole.records.name} in {whole.records.folder}"
    if names.ndim != 1 or names.dtype.kind != "U" or sorted(names.tolist()) != sorted(whole.label_names):
        raise UserError(f"{path} is of other classes than {what}: it names {str(names.tolist())[:120]}")
    if values.shape != (number, len(names)):
        raise UserError(
            f"{path} is of another set than {what}: it has {values.shape[0]:,} rows of {values.shape[1]}, "
            f"expected {number:,} of {len(names)}"
        )
    if "digest" in arrays and str(arrays["digest"]) != whole.digest():
        raise UserError(f"{path} is of another set than {what}: images or labels are others")
    values = values[:, [names.tolist().index(name) for name in whole.label_names]].astype(np.float32)
    good = np.isfinite(values).all(1) & (values >= 0).all(1) & (abs(values.sum(1) - 1) < _ROWS_ADD_UP)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise UserError(
            f"{path}: row {row:,} of probabilities does not add up to 1: {values[row].tolist()}"[:300]
        )
    folds, features = arrays.get("folds"), arrays.get("features")
    if folds is None or folds.shape != (number,) or folds.dtype.kind not in "iu":
        folds = np.zeros(number)
    if features is not None:
        if features.ndim != 2 or len(features) != number or features.dtype.kind != "f":
            raise UserError(f"{path}: features must be float [{number}, F], not {features.shape}")
        features = unit_length(features)
    return Probabilities(values, folds.astype(np.int64), features)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Scales each row to length 1, float16; a row without length stays 0."""
    lengths = np.linalg.norm(features.astype(np.float32), axis=1, keepdims=True)
    return (features / np.maximum(lengths, 1e-12)).astype(np.float16)
