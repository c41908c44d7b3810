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
import jax.numpy as jnp
import numpy as np

import ferjax
from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.deploy import export_check
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.inference import trained
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
        A model that takes `images`, uint8 `[batch, S, S, 3]`, S = `network.input_size`, and returns
        `probabilities`, float32 `[batch, K]`, and with a head for valence and arousal `affect`, float32
        `[batch, 2]`; its metadata are those of `metadata`.

    Raises:
        UserError: the network has an operation that is not translated.
    """
    from onnx import helper

    step = trained.answer_step(network)

    def program(images: jax.Array) -> tuple[jax.Array, ...]:
        logs, values = step(network.variables, images)
        return (jnp.exp(logs),) if values is None else (jnp.exp(logs), values)

    written = translated(
        network, program, ["probabilities", *(["affect"] if network.affect_head else [])], _INSTEAD
    )
    written.producer_name, written.producer_version = "ferjax", ferjax.__version__
    helper.set_model_props(written, metadata(network))
    return written


def translated(
    network: Trained,
    program: Callable[[jax.Array], tuple[jax.Array, ...]],
    outputs: Sequence[str],
    instead: str = "",
) -> "ModelProto":
    """Translates a program of a network.

    Args:
        network: the network, in float32, see `ferjax.inference.trained.in_precision`.
        program: maps uint8 `[B, S, S, 3]`, S = `network.input_size`, to arrays of B rows each.
        outputs: the name of each result.
        instead: what to do where the network cannot be translated, for the message.

    Raises:
        UserError: the program has an operation that is not translated.
    """
    from ferjax.deploy.to_onnx.convert import Unsupported, to_onnx

    try:
        return to_onnx(program, (network.input_size, network.input_size, 3), outputs)
    except Unsupported as error:
        name = network.config.model.name
        raise UserError(f"{name} cannot be written as ONNX, which lacks {error}{instead}") from error


def write_checked(network: Trained, written: "ModelProto", path: Path, instead: str = "") -> float:
    """Writes a file and compares its answers with the network's; one that differs is removed.

    Args:
        network: the network, in float32.
        written: gives `probabilities` first, then `affect` if the network has that head; more may follow.
        path: the file.
        instead: what to do where they differ, for the message.

    Returns:
        The largest difference of a probability, see `ferjax.deploy.export_check`.

    Raises:
        UserError: the answers differ.
    """
    write_atomic(path, written.SerializeToString(deterministic=True))
    run = load(path)

    def answers(images: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        found = run(images)
        return found[0] if isinstance(found, tuple) and not network.affect_head else found

    try:
        return export_check.largest_difference(network, answers)
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
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def load(
    path: Path | str, threads: int = 0
) -> Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Opens a file in onnxruntime on the CPU; the function maps uint8 `[B, S, S, 3]` to float32 `[B, K]`.

    A file of several outputs gives the first two as a pair: with a head for valence and arousal the second is
    float32 `[B, 2]`.

    Args:
        path: the file.
        threads: how many compute one call; 0: as many as there are cores.

    Raises:
        UserError: onnxruntime is not installed, or cannot read the file.
    """
    check_installed("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class
        raise UserError(f"{path} cannot be read by onnxruntime: {str(error).splitlines()[0]}") from error
    name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        first, *others = map(np.asarray, session.run(None, {name: images}))
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
