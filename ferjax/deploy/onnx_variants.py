"""Smaller ONNX files of a network, float16 and int8, kept only if they are about as good.

Sources: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (CVPR 2018); onnxruntime's `quantize_static`.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.sources import Source
from ferjax.deploy import onnx
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.inference import trained
from ferjax.inference.trained import Trained
from ferjax.scores.calibration import reliability

FLOAT16, INT8 = "onnx-fp16", "onnx-int8"
# What accuracy and the expected calibration error may lose, in shares of one.
MOST_LOST = 0.01
# Images that the ranges of the activations are measured on; the others are scored.
_RANGES = 512
_BATCH = 32
_SMALLEST = 1024  # elements from which on an array is stored as float16


class Scores(NamedTuple):
    """How good a file is.

    Attributes:
        accuracy: the share of images whose most likely class is right.
        calibration_error: the expected one, see `ferjax.scores.calibration.Reliability.error`.
    """

    accuracy: float
    calibration_error: float

    def __str__(self) -> str:
        return f"{self.accuracy:.2%} right, calibration error {self.calibration_error:.2%}"


class Outcome(NamedTuple):
    """The scores of the float32 file and of the smaller one, and the number of images."""

    before: Scores
    after: Scores
    images: int


def write(kind: str, network: Trained, source: Source, float32: Path, path: Path) -> Outcome:
    """Writes a smaller file and scores it beside the float32 one.

    Args:
        kind: "onnx-fp16": weights are stored as float16 and computed with in float32, so half the size;
            "onnx-int8": convolutions and products of 8-bit numbers, a quarter of the size; it does not
            tell pictures unlike those of training.
        network: the network.
        source: labelled validation images of the network's classes and input size. "onnx-int8" measures the
            ranges of activations on every n-th, at most 512 and half of them; the others are scored.
        float32: the network's file, see `ferjax.deploy.onnx.export`.
        path: the file to write.

    Raises:
        UserError: the images are of other classes, or too few; or accuracy or calibration error lose more
            than `MOST_LOST`; then no file is left.
    """
    if tuple(source.label_names) != tuple(network.label_names):
        raise UserError(f"{source.name} has other classes than the network, so {kind} cannot be scored on it")
    if len(source) < 2:
        raise UserError(f"{kind} needs at least 2 validation images; {source.name} has {len(source)}")
    for_ranges = np.unique(np.linspace(0, len(source) - 1, min(_RANGES, len(source) // 2), dtype=int))
    scored = np.setdiff1d(np.arange(len(source)), for_ranges)
    if kind == FLOAT16:
        write_float16(float32, path)
    else:
        with tempfile.TemporaryDirectory() as folder:
            plain = _without_distance(network, float32, Path(folder))
            write_int8(plain, path, (images for images, _ in _batches(source, for_ranges)))
    before, after = (_score(file, source, scored) for file in (float32, path))
    lost, worse = max(
        (before.accuracy - after.accuracy, "accuracy"),
        (after.calibration_error - before.calibration_error, "calibration"),
    )
    if not lost <= MOST_LOST:
        path.unlink()
        raise UserError(
            f"{kind} loses {100 * lost:.1f} points of {worse} on {len(scored):,} validation images, more "
            f"than {100 * MOST_LOST:g}: {before} in float32, {after} after; leave {kind} out"
        )
    return Outcome(before, after, len(scored))


def _without_distance(network: Trained, float32: Path, folder: Path) -> Path:
    """Returns a file that does not tell how far pictures lie from training: 8-bit features are others."""
    if network.unlike is None:
        return float32
    plain = trained.in_precision(network._replace(unlike=None), "float32")
    write_atomic(folder / "plain.onnx", onnx.model(plain).SerializeToString(deterministic=True))
    return folder / "plain.onnx"


def write_float16(float32: Path, path: Path) -> None:
    """Stores large arrays as float16; a node after each makes float32 of it, which runtimes do once.

    Args:
        float32: the file to read.
        path: the file to write.
    """
    import onnx as onnx_format
    from onnx import TensorProto, helper, numpy_helper

    model = onnx_format.load(str(float32))
    graph, widened = model.graph, []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if (
            array.dtype == np.float32
            and array.size >= _SMALLEST
            and np.abs(array).max() < np.finfo(np.float16).max
        ):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
            widened.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    write_atomic(path, model.SerializeToString(deterministic=True))


def write_int8(float32: Path, path: Path, batches: Iterator[np.ndarray]) -> None:
    """Quantises convolutions and matrix products statically.

    Weights are symmetric int8 for each output channel, of 7 bits, as processors without VNNI would overflow;
    activations are uint8 with the range that they had.

    Args:
        float32: the file to read.
        path: the file to write.
        batches: uint8 `[B, S, S, 3]` each.
    """
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> Any:
            images = next(batches, None)
            return None if images is None else {"images": images}

    with _quiet():
        quantization.quantize_static(
            str(float32),
            str(path),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul"],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


def _batches(source: Source, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields images uint8 `[B, S, S, 3]` and labels `[B]`."""
    for start in range(0, len(indices), _BATCH):
        batch = source.take(indices[start : start + _BATCH])
        images, labels = batch["image"], batch["label"]
        yield images.repeat(3 // images.shape[-1], -1), labels.argmax(-1) if labels.ndim > 1 else labels


def _score(file: Path, source: Source, indices: Sequence[int] | np.ndarray) -> Scores:
    run, labels, logs = onnx.load(file), [], []
    for images, actual in _batches(source, np.asarray(indices)):
        answers = run(images)
        chances = answers[0] if isinstance(answers, tuple) else answers
        labels.append(actual)
        logs.append(np.log(np.maximum(chances, np.finfo(np.float32).tiny)))
    actual, log_probabilities = np.concatenate(labels), np.concatenate(logs)
    right = float((log_probabilities.argmax(-1) == actual).mean())
    return Scores(right, reliability(actual, log_probabilities).error)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the quantiser's advice to prepare the file, which `to_onnx.simplify` has done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
