"""The predictions of a network for every example of a split: a small file for reports and comparisons.

`RUN/evaluations/DATASET-SPLIT.npz` holds plain arrays only, so that nothing is unpickled.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ferjax.data.array_files import read_arrays
from ferjax.data.sources import Source
from ferjax.errors import UserError
from ferjax.files import file_name, write_atomic
from ferjax.scores.affect import DIMENSIONS

EVALUATIONS = "evaluations"
_ABOUT = ("dataset", "split", "split_digest", "step", "label_names")
_VALUES = ("affect", "actual_affect")


class Predictions(NamedTuple):
    """Log-probabilities of K classes for N examples.

    Attributes:
        dataset: the set that the examples are from.
        split: the split of that set.
        split_digest: a digest of the whole split.
        step: the training step of the weights.
        label_names: the K class names.
        indices: int64 `[N]`, the examples' places in the split.
        labels: int32 `[N]`, the actual classes.
        log_probabilities: float32 `[N, K]`.
        affect: predicted valence and arousal, float32 `[N, 2]`; None without a head for them.
        actual_affect: the same of the data set, NaN where unknown; None where the set has none.
    """

    dataset: str
    split: str
    split_digest: str
    step: int
    label_names: tuple[str, ...]
    indices: np.ndarray
    labels: np.ndarray
    log_probabilities: np.ndarray
    affect: np.ndarray | None = None
    actual_affect: np.ndarray | None = None

    @classmethod
    def of(
        cls, source: Source, log_probabilities: np.ndarray, step: int, affect: np.ndarray | None = None
    ) -> Self:
        """Makes the predictions for a whole split whose classes are the network's."""
        return cls(
            source.name,
            source.split,
            source.digest(),
            step,
            tuple(source.label_names),
            np.arange(len(source)),
            source.labels,
            log_probabilities,
            affect,
            None if affect is None else source.affect,
        )

    @property
    def predicted(self) -> np.ndarray:
        """The class of the highest probability, int64 `[N]`."""
        return self.log_probabilities.argmax(-1)

    @property
    def right(self) -> np.ndarray:
        """True where that is the actual class, bool `[N]`."""
        return self.predicted == self.labels


def right_of_both(first: Predictions, second: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each of two networks is right about the same examples: bool `[N]` twice.

    Raises:
        UserError: the examples or the classes of the two differ.
    """
    same = (
        first.split_digest == second.split_digest
        and first.label_names == second.label_names
        and np.array_equal(first.indices, second.indices)
    )
    if not same:
        raise UserError(
            f"the two were not tested on the same images and classes ({first.dataset} {first.split} and "
            f"{second.dataset} {second.split}); McNemar's test needs one test set"
        )
    return first.right, second.right


def place(workdir: Path | str, dataset: str, split: str, kind: str) -> Path:
    """Returns the file of an evaluation: `kind` is "npz" for its predictions, "json" for its scores."""
    return Path(workdir) / EVALUATIONS / f"{file_name(dataset, split)}.{kind}"


def save(workdir: Path | str, predictions: Predictions) -> Path:
    """Writes the predictions into a run's folder and returns the path."""
    about = {name: getattr(predictions, name) for name in _ABOUT}
    values = {name: getattr(predictions, name) for name in _VALUES}
    known: dict[str, Any] = {
        name: np.asarray(array, np.float32) for name, array in values.items() if array is not None
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        about=np.array(json.dumps(about)),
        indices=np.asarray(predictions.indices, np.int64),
        labels=np.asarray(predictions.labels, np.int32),
        log_probabilities=np.asarray(predictions.log_probabilities, np.float32),
        **known,
    )
    path = place(workdir, predictions.dataset, predictions.split, "npz")
    write_atomic(path, buffer.getvalue())
    return path


def read(path: Path | str) -> Predictions:
    """Reads what `save` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist; python -m ferjax evaluate writes it")
    try:
        arrays = read_arrays(path) or {}
        about = json.loads(str(arrays["about"]))
        predictions = Predictions(
            dataset=about["dataset"],
            split=about["split"],
            split_digest=about["split_digest"],
            step=about["step"],
            label_names=tuple(about["label_names"]),
            indices=arrays["indices"],
            labels=arrays["labels"],
            log_probabilities=arrays["log_probabilities"],
            **{name: arrays.get(name) for name in _VALUES},
        )
        fits = _fits(predictions)
    except (KeyError, TypeError, ValueError):
        predictions, fits = None, False
    if predictions is None or not fits:
        raise UserError(f"{path} is damaged; remove it and evaluate the run again")
    return predictions


def _fits(predictions: Predictions) -> bool:
    """Checks the shapes and values of what was read against each other."""
    labels, logs = predictions.labels, predictions.log_probabilities
    examples, classes = len(labels), len(predictions.label_names)
    return bool(
        examples
        and logs.shape == (examples, classes)
        and predictions.indices.shape == labels.shape == (examples,)
        and labels.min() >= 0
        and labels.max() < classes
        and not np.isnan(logs).any()
        and _are_values(predictions)
    )


def _are_values(predictions: Predictions) -> bool:
    """Checks valence and arousal, where they are there."""
    found, actual = predictions.affect, predictions.actual_affect
    fits = all(
        array is None or (array.shape == (len(predictions.labels), 2) and array.dtype == np.float32)
        for array in (found, actual)
    )
    if found is None:  # nothing is compared with the actual ones
        return fits and actual is None
    return fits and bool(np.isfinite(found).all())


def write_csv(folder: Path, predictions: Predictions) -> None:
    """Writes `predict.csv` (example, predicted class, each class's probability) and `ground_truth.csv`.

    With valence and arousal both have two more columns, empty where a value is unknown.

    Section III-A of the RAN and FaceNet2ExpNet proposal asks for these two files. An example is its index in
    the split; both files have the same order.
    """
    names = predictions.label_names
    predicted = [
        [index, names[best], *(f"{share:.6g}" for share in shares)]
        for index, best, shares in zip(
            predictions.indices, predictions.predicted, np.exp(predictions.log_probabilities), strict=True
        )
    ]
    actual = [
        [index, names[label]] for index, label in zip(predictions.indices, predictions.labels, strict=True)
    ]
    more: list[str] = []
    if predictions.affect is not None:
        more = list(DIMENSIONS)
        _add_values(predicted, predictions.affect)
        known = predictions.actual_affect
        _add_values(actual, np.full((len(actual), 2), np.nan) if known is None else known)
    for name, head, rows in (
        ("predict.csv", ["example", "predicted", *names, *more], predicted),
        ("ground_truth.csv", ["example", "label", *more], actual),
    ):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *rows])
        write_atomic(folder / name, text.getvalue().encode())


def _add_values(rows: list[list], values: np.ndarray) -> None:
    for row, pair in zip(rows, values, strict=True):
        row += ["" if np.isnan(value) else f"{value:.6g}" for value in pair]
