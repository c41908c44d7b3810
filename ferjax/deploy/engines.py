"""Chooses what computes a network's answers on a CPU: XLA, or onnxruntime where it is faster.

Which one is faster depends on the network, the batch and the machine. So both are timed once in each batch
size, when it is first met, and the result is kept beside the compiled programs.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 30
_ENOUGH_SECONDS = 0.3  # after so long there are no more rounds than the least
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
    network = network._replace(unlike=None)  # XLA tells that, whatever computes the answers
    kept = _kept(network)
    if engine == ONNXRUNTIME:
        run = _predict(_exported(network, kept))
        return dataclasses.replace(compiled, predict=run)
    here = kept is not None and onnx.is_installed() and jax.default_backend() == "cpu"
    if kept is None or not here or network.config.train.precision != "float32":
        return compiled
    try:
        return dataclasses.replace(compiled, predict=_Faster(network, compiled, kept))
    except (UserError, OSError):  # the record cannot be read; XLA is always there and computes the same
        return compiled


def _kept(network: Trained) -> Path | None:
    """Returns where the network's ONNX file is kept; None if programs are not kept."""
    # jax defines its settings when it runs, so the type checker does not know them.
    folder = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    return Path(folder) / _FOLDER / f"{_digest(network)}.onnx" if folder else None


def _digest(network: Trained) -> str:
    """Identifies a network, the software and the machine: 0.2 s for 300 MB of weights, on two cores.

    All weights are read, as a faster sum could be forged: a bundle would then answer with another's file.
    """
    versions = [ferjax.__version__, *map(_version, ("jax", "jaxlib", "onnxruntime"))]
    facts = [versions, _processor(), os.cpu_count(), onnx.metadata(network), str(network.model)]
    facts += [network.config.eval.crops, network.config.train.precision]
    digest = hashlib.sha256(json.dumps(facts).encode())
    arrays = sorted(flatten_dict(network.variables, sep="/").items())
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (path, array), content in zip(arrays, threads.map(_content, (a for _, a in arrays)), strict=True):
            digest.update(f"{path} {array.dtype} {array.shape} {content}".encode())
    return digest.hexdigest()


def _content(array: np.ndarray) -> str:
    """Hashes an array's bytes where they are."""
    return hashlib.sha256(np.ascontiguousarray(array).view(np.uint8).data).hexdigest()


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


class _Faster:
    """Answers by the faster engine for each batch size; measures it when a size is met for the first time."""

    def __init__(self, network: Trained, compiled: Classifier, kept: Path) -> None:
        self._network, self._compiled, self._kept = network, compiled, kept
        self._record = kept.with_suffix(".json")
        self._chosen, self._seconds = _read(self._record)
        self._run: Predict | None = None

    def __call__(self, images: np.ndarray) -> jax.Array | np.ndarray:
        """See `Classifier.predict`."""
        size = str(len(images))
        try:
            if size not in self._chosen:
                self._measure(size)
            if self._chosen[size] == ONNXRUNTIME:
                return self._other()(images)
        except (UserError, OSError):  # the kept file cannot be read, or the folder not be used
            self._chosen[size] = XLA
        return self._compiled.predict(images)

    def _other(self) -> Predict:
        """Opens the ONNX file; writes it if it is not there."""
        if self._run is None:
            if not self._kept.exists():
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self._kept, onnx.model(self._network).SerializeToString(deterministic=True))
            self._run = _predict(self._kept)
        return self._run

    def _measure(self, size: str) -> None:
        """Times both engines, and keeps which one is faster; the ONNX file stays if it is for some size."""
        print(
            f"measuring once which of XLA and onnxruntime is faster for this network here, {size} at a time",
            file=sys.stderr,
        )
        try:
            other = self._other()
        except UserError:  # no ONNX file can hold the network, which would take as long to find at each start
            self._chosen = {str(each): XLA for each in self._compiled.batches} | {size: XLA}
        else:
            self._seconds[size] = _seconds(self._compiled, other, int(size), self._network.input_size)
            self._chosen[size] = min(self._seconds[size], key=lambda engine: self._seconds[size][engine])
        self._record.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(self._record, {"engines": self._chosen, "seconds": self._seconds})
        if ONNXRUNTIME not in self._chosen.values():
            self._kept.unlink(missing_ok=True)
            self._run = None


def _read(record: Path) -> tuple[dict[str, str], dict[str, dict[str, float]]]:
    """Reads the faster engine and the seconds of each batch size; nothing from what is no such record."""
    stored: Any = read_json(record) if record.exists() else None
    if not isinstance(stored, dict):
        return {}, {}
    chosen, seconds = stored.get("engines"), stored.get("seconds")
    return (chosen, seconds) if isinstance(chosen, dict) and isinstance(seconds, dict) else ({}, {})


def _seconds(compiled: Classifier, other: Predict, batch: int, size: int) -> dict[str, float]:
    """Times both engines in turns: engine → the least seconds of some rounds, as other work only adds time.

    If their answers differ by more than `TOLERANCE`, there are only XLA's.
    """
    images = export_check.noise(np.random.default_rng(0), batch, size)
    runs: dict[str, Predict] = {XLA: compiled.predict, ONNXRUNTIME: other}
    first, second = (np.asarray(run(images)) for run in runs.values())
    if not np.abs(first - second).max() <= export_check.TOLERANCE:
        del runs[ONNXRUNTIME]
    return {name: min(times) for name, times in _in_turns(runs, images).items()}


def _in_turns(runs: Mapping[str, Predict], images: np.ndarray) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for done in range(_MOST_ROUNDS):
        if done >= _LEAST_ROUNDS and sum(map(sum, times.values())) > _ENOUGH_SECONDS:
            break
        for name, run in runs.items():
            start = time.perf_counter()
            np.asarray(run(images))
            times[name].append(time.perf_counter() - start)
    return times
