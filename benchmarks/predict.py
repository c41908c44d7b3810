"""Prediction: faces that are cut out already against onnxruntime on the exported network; the first one.

    python -m benchmarks.predict --workdir=RUN [--faces 1000] [--rounds 5] [--starts 3] [--only_faces]
                                [--crops none] [--json FILE]

Both sides take the same uint8 faces in memory and give calibrated probabilities, also in batches of several
sizes; of onnxruntime's the best counts. Then one face at a time. Both also by the engine that `predict` takes
by itself (`--engine=auto`); --only_faces ends there. --crops is that of `predict`. Then as many small PNG
files, from the first byte read to the last row; then the whole command on one face that is cut out and on one
photograph, with an empty compilation cache and with a full one.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as photographs

from benchmarks import command_line, measure
from ferjax.augment.crops import VIEWS
from ferjax.deploy import engines, onnx
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.inference import classifier
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import expand
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "pillow", "onnxruntime")
_BATCHES = (16, 64)

Classify = Callable[[np.ndarray], np.ndarray]


def in_batches(classify: Classify, images: np.ndarray, size: int) -> np.ndarray:
    """All answers, so many images at a time."""
    return np.concatenate([classify(images[at : at + size]) for at in range(0, len(images), size)])


def speeds(
    ours: Classifier, chosen: Classifier, theirs: Classify | None, images: np.ndarray, rounds: int
) -> list[dict]:
    """Many faces, and one; of ferjax alone where the network has no ONNX file.

    Args:
        ours: computes by XLA.
        chosen: computes by the engine that was faster when it was measured.
        theirs: onnxruntime alone.
        images: uint8 `[N, S, S, 3]`.
        rounds: how often many faces are computed.
    """
    runs: dict[str, measure.Run] = {
        "ferjax": lambda: ours.probabilities(images),
        "ferjax, the faster engine": lambda: chosen.probabilities(images),
    }
    one: dict[str, measure.Run] = {
        "ferjax": lambda: ours.probabilities(images[:1]),
        "ferjax, the faster engine": lambda: chosen.probabilities(images[:1]),
    }
    for size in _BATCHES:
        other = dataclasses.replace(ours, batches=(size,))
        runs[f"ferjax, batches of {size}"] = lambda other=other: other.probabilities(images)
    if theirs:
        np.testing.assert_allclose(ours.probabilities(images[:64]), theirs(images[:64]), atol=1e-4)
        for size in _BATCHES:
            runs[f"onnxruntime, batches of {size}"] = lambda size=size: in_batches(theirs, images, size)
        one["onnxruntime"] = lambda: theirs(images[:1])
    count = len(images)
    rows = measure.table(f"{count:,} faces in memory", count, measure.interleaved(runs, rounds))
    return rows + measure.table("one face", 1, measure.interleaved(one, 10 * rounds))


def in_onnx(network: Trained, path: Path) -> Classify | None:
    """The network in onnxruntime; None, with the reason on stdout, where it cannot be exported."""
    try:
        onnx.export(network, path)
    except UserError as error:
        print(f"without onnxruntime: {error}")
        return None
    return onnx.load(path, spinning=True)  # as its users have it


def from_files(ours: Classifier, images: np.ndarray, folder: Path, rounds: int) -> list[dict]:
    """The same faces, each in a PNG of its own."""
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:05}.png")

    def run() -> None:
        inputs = expand([str(folder)])
        assert sum(len(outcome.rows) for outcome in predict(inputs, ours, Options(None))) == len(images)

    seconds = measure.interleaved({"ferjax": run}, rounds)
    return measure.table(f"{len(images):,} faces in PNG files", len(images), seconds)


def one_picture(workdir: Path, picture: Path, cache: Path, *flags: str) -> float:
    """Seconds of the whole command."""
    command = [sys.executable, "-m", "ferjax", "predict", str(picture), f"--workdir={workdir}", *flags]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--format=jsonl"],
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def starts(workdir: Path, picture: Path, folder: Path, times: int, *flags: str) -> list[dict]:
    """The command on one picture."""
    seconds: dict[str, list[float]] = {"compiled before": [], "never compiled": []}
    for _ in range(times):
        cache = folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        seconds["never compiled"].append(one_picture(workdir, picture, cache, *flags))
        seconds["compiled before"].append(one_picture(workdir, picture, cache, *flags))
    what = "face that is cut out already" if flags else "photograph"
    return measure.table(f"the command on one {what}, from start to end", 1, seconds)


def main() -> None:
    """Measures and prints tables."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--only_faces", action="store_true")
    parser.add_argument("--crops", choices=list(VIEWS), help="views of a face; the network's own if left out")
    parser.add_argument("--json", default="benchmarks/results/predict.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    network = open_network(args.workdir).with_crops(args.crops)
    ours = classifier.Classifier.of(network)
    side = ours.image_size
    images = np.random.default_rng(0).integers(0, 256, (args.faces, side, side, 3), np.uint8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        theirs = in_onnx(network, folder / "network.onnx")
        rows = speeds(ours, engines.classifier(network), theirs, images, args.rounds)
        if args.only_faces:
            measure.record("predict", rows, PACKAGES, args.json)
            return
        rows += from_files(ours, images, folder / "faces", args.rounds)
        rows += starts(args.workdir, folder / "faces" / "00000.png", folder, args.starts, "--cropped")
        Image.fromarray(photographs.astronaut()).save(folder / "photograph.png")
        rows += starts(args.workdir, folder / "photograph.png", folder, args.starts)
    measure.record("predict", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
