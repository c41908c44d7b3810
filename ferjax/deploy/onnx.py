"""Exports a trained network as one ONNX file from uint8 pictures to calibrated probabilities.

PyTorch's own exporter writes it from the network's PyTorch counterpart (`ferjax.interop`), whose outputs
agree to about 1e-13 in float64: the graph has plain convolutions and batch normalisations in ONNX's own
layout, which runtimes fuse and quantise. (A converter of JAX programs would leave hundreds of reshapes and
transpositions, and the maintained one needs an older Orbax.) onnxruntime runs the file before it is kept.
"""

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import ferjax
from ferjax.deploy import export_check
from ferjax.errors import UserError
from ferjax.inference.trained import Trained

_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")
_OPSET = 20  # May 2023; the first with all operators that PyTorch's exporter uses by default


def export(network: Trained, path: Path) -> float:
    """Writes an ONNX file in float32, also for a network in bfloat16.

    Args:
        network: the network; its architecture must have a PyTorch counterpart.
        path: the file to write. Its program takes `images`, uint8 `[batch, S, S, 3]`, S =
            `network.input_size`, and returns `probabilities`, float32 `[batch, K]`, and with a head for
            valence and arousal `affect`, float32 `[batch, 2]`; its metadata `label_names` is a JSON list.

    Returns:
        The largest difference of a probability, see `ferjax.deploy.export_check`.

    Raises:
        UserError: a package is missing, the network has no counterpart, or the file's probabilities differ
            from the network's.
    """
    check_installed()
    import torch

    from ferjax.deploy.torch_module import Deployed, in_float32

    network = in_float32(network)
    size = network.input_size
    images = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            Deployed(network).eval(),
            (images,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["images"],
            output_names=["probabilities", *(["affect"] if network.affect_head else [])],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None  # as dynamo=True says
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # it names source files, with this machine's paths
    program.model.producer_name = "ferjax"
    program.model.producer_version = ferjax.__version__
    program.model.metadata_props["label_names"] = json.dumps(network.label_names, ensure_ascii=False)
    program.save(path)
    try:
        return export_check.largest_difference(network, load(path))
    except ArithmeticError as error:
        name = network.config.model.name
        raise UserError(f"{name} cannot be written as ONNX: {error}; write it as stablehlo") from error


def load(
    path: Path | str, threads: int = 0
) -> Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Opens a file in onnxruntime on the CPU; the function maps uint8 `[B, S, S, 3]` to float32 `[B, K]`.

    With a head for valence and arousal it gives a pair, the second float32 `[B, 2]`.

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


def check_installed(*packages: str) -> None:
    """Raises UserError for the first package that is missing; without names, checks all for the export."""
    for package in packages or _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"ONNX needs the package {error.name}: pip install 'ferjax[onnx]'") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's progress lines and its warnings about itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
