"""A trained network as one ONNX file: bytes of pictures in, calibrated probabilities out.

It is written by PyTorch's own exporter from the network's PyTorch counterpart (`ferjax.interop`), which says
the same to about 1e-13 in float64: the graph has plain convolutions and batch normalisations in ONNX's own
layout, which runtimes fuse and quantise. (A converter of JAX programs would leave hundreds of reshapes and
transpositions, and the maintained one pins an Orbax of before.) onnxruntime runs the file before it is kept.
"""

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ferjax
from ferjax.deploy import comparison
from ferjax.errors import UserError
from ferjax.inference.trained import Trained

_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")
_OPSET = 20  # the first with all that PyTorch's exporter uses by default; of May 2023


def export(network: Trained, path: Path) -> float:
    """Writes the file; a network in bfloat16 is written in float32.

    Args:
        network: of any architecture that has a counterpart.
        path: of the file. It takes `images`, uint8 `[batch, S, S, 3]`, S = `network.input_size`, and gives
            `probabilities`, float32 `[batch, K]`; its metadata `label_names` is a JSON list.

    Returns:
        The largest difference to the network, see `ferjax.deploy.comparison`.

    Raises:
        UserError: a package is missing, the network has no counterpart, or the file's answers are others than
            the network's.
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
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where in the sources it comes from, with this machine's paths
    program.model.producer_name = "ferjax"
    program.model.producer_version = ferjax.__version__
    program.model.metadata_props["label_names"] = json.dumps(network.label_names, ensure_ascii=False)
    program.save(path)
    try:
        return comparison.largest_difference(network, load(path))
    except ArithmeticError as error:
        name = network.config.model.name
        raise UserError(f"{name} cannot be written as ONNX: {error}; write it as stablehlo") from error


def load(path: Path | str, threads: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """A file in onnxruntime on the CPU: from uint8 `[B, S, S, 3]` to float32 `[B, K]`.

    Args:
        path: the file.
        threads: of one call; 0: as many as there are cores.

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
    return lambda images: session.run(None, {name: images})[0]


def check_installed(*packages: str) -> None:
    """Raises UserError for the first of the packages, all that the export needs if none is named."""
    for package in packages or _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"ONNX needs the package {error.name}: pip install 'ferjax[onnx]'") from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporter's progress, which it prints, and its advice about its own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
