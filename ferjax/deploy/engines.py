"""Chooses what computes a network's answers on a CPU: XLA, or onnxruntime where it is faster.

Which one is faster depends on the network, the batch and the machine. So both are timed once, in every batch
size that `predict` uses, and the result is kept beside the compiled programs.
"""

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

import ferjax
from ferjax.deploy import export_check, onnx
from ferjax.errors import UserError
from ferjax.files import read_json, write_atomic, write_json_atomic
from ferjax.inference.classifier import Classifier
from ferjax.inference.trained import Trained

AUTO, XLA, ONNXRUNTIME = "auto", "xla", "onnxruntime"
ENGINES = (AUTO, XLA, ONNXRUNTIME)
_ROUNDS = 3
_FOLDER = "engines"  # in that of the compiled programs

Predict = Callable[[np.ndarray], jax.Array | np.ndarray]


def classifier(network: Trained, engine: str = AUTO) -> Classifier:
    """Makes a network ready for faces, computed by an engine.

    Args:
        network: the network.
        engine: "xla"; "onnxruntime", which computes in float32 on the CPU; "auto": on a CPU the faster one
            for each batch size. That is XLA where onnxruntime is not installed, where the network cannot be
            written as ONNX or answers differently by more than `ferjax.deploy.export_check.TOLERANCE`, and
            where compiled programs are not kept, see `ferjax.platform.machine.keep_compiled`.

    Raises:
        UserError: "onnxruntime" is not installed, or cannot compute the network.
    """
    compiled = Classifier.of(network)
    if engine == XLA:
        return compiled
    kept = _kept(network)
    if engine == ONNXRUNTIME:
        run = _predict(_exported(network, kept))
        return dataclasses.replace(compiled, predict=run)
    if kept is None or jax.default_backend() != "cpu" or network.config.train.precision != "float32":
        return compiled
    try:
        onnx.check_installed()
        chosen = _chosen(network, compiled, kept)
        run = _predict(kept) if ONNXRUNTIME in chosen.values() else None
    except (UserError, OSError):  # the engine that is always there computes the same
        return compiled
    if run is None:
        return compiled

    def predict(images: np.ndarray) -> jax.Array | np.ndarray:
        fastest = chosen.get(str(len(images)))
        return run(images) if fastest == ONNXRUNTIME else compiled.predict(images)

    return dataclasses.replace(compiled, predict=predict)


def _kept(network: Trained) -> Path | None:
    """Returns where the network's ONNX file is kept; None if programs are not kept."""
    # jax defines its settings when it runs, so the type checker does not know them.
    folder = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    return Path(folder) / _FOLDER / f"{_digest(network)}.onnx" if folder else None


def _digest(network: Trained) -> str:
    """Identifies a network, the software and the machine."""
    versions = [ferjax.__version__, *map(_version, ("jax", "jaxlib", "onnxruntime"))]
    facts = [versions, _processor(), os.cpu_count(), onnx.metadata(network), str(network.model)]
    facts += [network.config.eval.crops, network.config.train.precision]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path, array in sorted(flatten_dict(network.variables, sep="/").items()):
        digest.update(f"{path} {array.dtype} {array.shape}".encode())
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """Names the processor, as a home may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.machine())


def _exported(network: Trained, kept: Path | None) -> Path:
    """Returns the network's ONNX file, written and compared with it if it was not kept."""
    onnx.check_installed()
    if kept is None:
        raise UserError("--engine=onnxruntime keeps a file: set JAX_COMPILATION_CACHE_DIR to a folder")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        onnx.export(network, kept)
    return kept


def _predict(path: Path) -> Predict:
    """Opens an ONNX file as `Classifier.predict`: valence and arousal come last."""
    run = onnx.load(path)

    def predict(images: np.ndarray) -> np.ndarray:
        answers = run(images)
        return np.concatenate(answers, axis=1) if isinstance(answers, tuple) else answers

    return predict


def _chosen(network: Trained, compiled: Classifier, kept: Path) -> Mapping[str, str]:
    """Reads which engine is faster for each batch size, or measures it."""
    record = kept.with_suffix(".json")
    chosen = _read(record)
    if chosen is not None and (kept.exists() or ONNXRUNTIME not in chosen.values()):
        return chosen
    print("measuring once which of XLA and onnxruntime is faster for this network here", file=sys.stderr)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, onnx.model(network).SerializeToString(deterministic=True))
    seconds = _measure(compiled, _predict(kept), network.input_size)
    chosen = {size: min(times, key=lambda engine: times[engine]) for size, times in seconds.items()}
    if ONNXRUNTIME not in chosen.values():
        kept.unlink()
    write_json_atomic(record, {"engines": chosen, "seconds": seconds})
    return chosen


def _read(record: Path) -> dict[str, str] | None:
    if not record.exists():
        return None
    stored: Any = read_json(record)
    chosen = stored.get("engines") if isinstance(stored, dict) else None
    return chosen if isinstance(chosen, dict) else None


def _measure(compiled: Classifier, other: Predict, size: int) -> dict[str, dict[str, float]]:
    """Times both engines in turns: batch size → engine → seconds, the least of some rounds.

    If their answers differ by more than `TOLERANCE` in any batch size, there are only XLA's.
    """
    generator = np.random.default_rng(0)
    runs: dict[str, Predict] = {XLA: compiled.predict, ONNXRUNTIME: other}
    inputs = {batch: export_check.noise(generator, batch, size) for batch in compiled.batches}
    for images in inputs.values():
        first, second = (np.asarray(run(images)) for run in runs.values())
        if not np.abs(first - second).max() <= export_check.TOLERANCE:
            del runs[ONNXRUNTIME]
            break
    return {
        str(batch): {name: min(times) for name, times in _in_turns(runs, images).items()}
        for batch, images in inputs.items()
    }


def _in_turns(runs: Mapping[str, Predict], images: np.ndarray) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _, name in itertools.product(range(_ROUNDS), runs):
        start = time.perf_counter()
        np.asarray(runs[name](images))
        times[name].append(time.perf_counter() - start)
    return times
