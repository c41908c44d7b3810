"""Exports a trained network as one ONNX file from uint8 pictures to calibrated probabilities.

The traced network is translated operation by operation (`ferjax.deploy.to_onnx`); PyTorch is not needed.
onnxruntime runs the file before it is kept.
"""

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

import ferjax
from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.deploy import export_check
from ferjax.deploy.any_batch import for_any_batch
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.inference import program, trained
from ferjax.inference.trained import Trained

if TYPE_CHECKING:
    from onnx import ModelProto

_PACKAGES = ("onnx", "onnxruntime")
_INSTEAD = "; write it as stablehlo"


def export(network: Trained, path: Path) -> float:
    """Writes an ONNX file in float32, also for a network in bfloat16, and compares it with the network.

    Args:
        network: the network.
        path: the file to write, see `model`.

    Returns:
        The largest difference of a probability, see `ferjax.deploy.export_check`.

    Raises:
        UserError: a package is missing, the network has an operation that is not translated, or the file's
            probabilities differ from the network's.
    """
    check_installed()
    network = trained.in_precision(network, "float32")
    return write_checked(network, model(network), path, _INSTEAD)


def model(network: Trained) -> "ModelProto":
    """Translates a network.

    Args:
        network: the network; in float32, see `ferjax.inference.trained.in_precision`.

    Returns:
        A model that takes `images`, uint8 `[batch, S, S, 3]`, S = `network.input_size`, and returns what
        `ferjax.inference.program` does; its metadata are those of `metadata`.

    Raises:
        UserError: the network has an operation that is not translated.
    """
    from onnx import helper

    answer = program.program(network)

    def answers(images: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(answer(network.variables, images).values())

    written = translated(network, answers, program.outputs(network), _INSTEAD)
    written.producer_name, written.producer_version = "ferjax", ferjax.__version__
    helper.set_model_props(written, metadata(network))
    return written


def translated(
    network: Trained,
    answers: Callable[[jax.Array], tuple[jax.Array, ...]],
    outputs: Sequence[str],
    instead: str = "",
) -> "ModelProto":
    """Translates what is computed by a network.

    Args:
        network: the network, in float32, see `ferjax.inference.trained.in_precision`.
        answers: maps uint8 `[B, S, S, 3]`, S = `network.input_size`, to arrays of B rows each.
        outputs: the name of each result.
        instead: what to do where the network cannot be translated, for the message.

    Raises:
        UserError: there is an operation that is not translated, or the network cannot take any number of
            images.
    """
    from ferjax.deploy.to_onnx.convert import Unsupported, to_onnx

    name = network.config.model.name
    try:
        with for_any_batch(name):
            return to_onnx(answers, (network.input_size, network.input_size, 3), outputs)
    except Unsupported as error:
        raise UserError(f"{name} cannot be written as ONNX, which lacks {error}{instead}") from error


def write_checked(network: Trained, written: "ModelProto", path: Path, instead: str = "") -> float:
    """Writes a file and compares its answers with the network's; one that differs is removed.

    Args:
        network: the network, in float32.
        written: gives `probabilities`, and `affect` if the network has that head; it may give more.
        path: the file.
        instead: what to do where they differ, for the message.

    Returns:
        The largest difference of a probability, see `ferjax.deploy.export_check`.

    Raises:
        UserError: the answers differ.
    """
    write_atomic(path, written.SerializeToString(deterministic=True))
    try:
        return export_check.largest_difference(network, load(path))
    except ArithmeticError as error:
        path.unlink()
        name = network.config.model.name
        raise UserError(f"{name} cannot be written as ONNX: {error}{instead}") from error


def metadata(network: Trained) -> dict[str, str]:
    """Describes a network in JSON values: what a program needs beside the file.

    `pixel_mean` and `pixel_std`, of RGB values in 0 … 1, are those of the normalisation inside the file: its
    input stays bytes.
    """
    facts = {
        "label_names": network.label_names,
        "network": network.config.model.name,
        "image_size": network.input_size,
        "resize": network.config.data.resize,
        "face_margin": network.face_margin,
        "grey": network.grey,
        "pixel_mean": IMAGENET_MEAN,
        "pixel_std": IMAGENET_STD,
        "temperature": network.temperature or 1.0,
        "unsure_below": network.unsure.below if network.unsure else 0.0,
        "sets": network.sets._asdict() if network.sets else None,
        "unlike_above": network.unlike.above if network.unlike else None,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def load(
    path: Path | str, threads: int = 0, spinning: bool = False
) -> Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Opens a file in onnxruntime on the CPU; the function maps uint8 `[B, S, S, 3]` to float32 `[B, K]`.

    A file of a network with a head for valence and arousal gives a pair: the second is float32 `[B, 2]`. What
    else it holds is not computed for it.

    Args:
        path: the file.
        threads: how many compute one call; 0: as many as there are cores.
        spinning: whether the threads wait busily for the next call, as is onnxruntime's default. A process
            that asks nothing else is answered a little sooner; one that also computes by XLA loses its
            cores.

    Raises:
        UserError: onnxruntime is not installed, or cannot read the file.
    """
    check_installed("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class
        raise UserError(f"{path} cannot be read by onnxruntime: {str(error).splitlines()[0]}") from error
    name = session.get_inputs()[0].name

    held = {output.name for output in session.get_outputs()}
    if "probabilities" not in held:
        raise UserError(f"{path} has no output probabilities: it is no file of ferjax export")
    wanted = [output for output in ("probabilities", "affect") if output in held]

    def run(images: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        first, *others = map(np.asarray, session.run(wanted, {name: images}))
        return (first, others[0]) if others else first

    return run


def is_installed() -> bool:
    """Tells whether the packages are there; does not import them, which takes half a second."""
    return all(map(importlib.util.find_spec, _PACKAGES))


def check_installed(*packages: str) -> None:
    """Raises UserError for the first package that is missing; without names, checks all for the export."""
    # onnxruntime 1.31 would store an identifier of the machine in the home folder, and send what it does.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for package in packages or _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"ONNX needs the package {error.name}: pip install 'ferjax[onnx]'") from error
