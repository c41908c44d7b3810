"""Tests networks on all sets, their conformal sets, and what they say of the labels of their own set.

    python -m benchmarks.trust NETWORK… --sets fer2013,toons/avataaars [--dirs DIR,DIR] [--json FILE]

NETWORK is a run or a bundle. Each is tested on the test split of every set, over the examples of classes that
it knows: masked, the classes that the set lacks get probability zero; unmasked, they may be answered, and are
wrong then. Of the set that a network was trained on, the conformal sets are calibrated on its validation
split, and their coverage on test is set against the interval in which it lies 19 times of 20; `again` draws
calibration and test examples anew out of both splits, and tells how often it does. Of both splits, which it
was not trained on, the wrong labels are estimated as by `ferjax labels`; validation chose its step.
"""

from pathlib import Path

import jax
import numpy as np

from benchmarks import command_line, measure
from ferjax.data.label_spaces import BridgedSource, bridge
from ferjax.inference import trained
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import load_for, present_classes
from ferjax.inference.trained import Trained
from ferjax.labels import confident
from ferjax.scores import conformal
from ferjax.scores.calibration import with_temperature
from ferjax.scores.confusion import accuracy_interval, mean_class_accuracy

BATCH = 128
PAIRS = 10  # of given and actual class, that are listed
DRAWS = 1_000  # of calibration and test examples
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy")


def answers(network: Trained, images: np.ndarray, step) -> np.ndarray:
    """Computes log-probabilities, uncalibrated: uint8 `[N, S, S, C]` to float `[N, K]`."""
    parts = []
    for start in range(0, len(images), BATCH):
        rows = images[start : start + BATCH]
        padding = np.zeros((BATCH - len(rows), *rows.shape[1:]), np.uint8)
        parts.append(np.asarray(step(network.variables, np.concatenate([rows, padding])))[: len(rows)])
    return np.concatenate(parts)


def on_set(network: Trained, dataset: str, split: str, folder: str, step) -> dict[str, np.ndarray]:
    """Answers for the examples of a split whose class the network knows: `labels`, `logs`, `allowed`."""
    source = load_for(network.config, dataset, split, folder)
    across = bridge(network.label_names, source.label_names, present_classes(dataset, source, folder))
    bridged = BridgedSource(source, network.label_names, across.targets)
    images = bridged.take(np.arange(len(bridged)))["image"]
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    logs = answers(network, images, step)
    return {"labels": bridged.labels, "logs": logs, "allowed": across.allowed}


def accuracies(labels: np.ndarray, logs: np.ndarray, allowed: np.ndarray) -> dict[str, object]:
    """Scores the most likely of the allowed classes."""
    predicted = np.where(allowed, logs, -np.inf).argmax(1)
    matrix = np.zeros((logs.shape[1], logs.shape[1]), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return {
        "accuracy": float((predicted == labels).mean()),
        "interval": accuracy_interval(matrix),
        "mean_class_accuracy": mean_class_accuracy(matrix),
    }


def coverage(validation: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, object]:
    """Measures conformal sets once as they are calibrated, and often with examples drawn anew."""
    measured = conformal.measure_sets(validation["labels"], validation["logs"], test["labels"], test["logs"])
    labels = np.concatenate([validation["labels"], test["labels"]])
    logs = np.concatenate([validation["logs"], test["logs"]])
    first, shares, inside = len(validation["labels"]), [], 0
    low, high = measured["expected"]
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        order = rng.permutation(len(labels))
        own, others = order[:first], order[first:]
        smallest = conformal.smallest_probability(labels[own], logs[own], conformal.COVERAGE)
        holds = np.exp(logs[others, labels[others]]) >= smallest
        shares.append(float(holds.mean()))
        inside += low <= shares[-1] <= high
    again = {"draws": DRAWS, "inside": inside / DRAWS, "mean": float(np.mean(shares))}
    return {**measured, "calibrated": first, "tested": len(test["labels"]), "again": again}


def label_noise(
    parts: list[dict[str, np.ndarray]], temperature: float, names: tuple[str, ...]
) -> dict[str, object]:
    """Estimates the wrong labels of some splits, and lists the most frequent pairs of classes."""
    labels = np.concatenate([part["labels"] for part in parts])
    chances = np.exp(with_temperature(np.concatenate([part["logs"] for part in parts]), temperature))
    finding = confident.find(labels, chances)
    ends = confident.bootstrap(labels, chances, np.arange(len(labels)))
    off = finding.joint * (1 - np.eye(len(names)))
    order = np.argsort(-off, axis=None)[:PAIRS]
    return {
        "images": len(labels),
        "predicted": float((chances.argmax(1) == labels).mean()),
        "share": finding.share,
        "interval": ends.share.tolist(),
        "by_confident_joint": float(confident.wrong_share(finding.noise.joint)),
        "suspects": len(finding.suspects.examples),
        "by_label": {
            name: [float(share), *ends.given[:, place].tolist()]
            for place, (name, share) in enumerate(
                zip(names, confident.wrong_by_label(finding.joint), strict=True)
            )
        },
        "pairs": [
            {
                "label": names[given],
                "actual": names[actual],
                "images": float(len(labels) * off[given, actual]),
                "interval": (len(labels) * ends.joint[:, given, actual]).tolist(),
            }
            for given, actual in zip(*map(np.ndarray.tolist, np.unravel_index(order, off.shape)), strict=True)
        ],
    }


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("networks", nargs="+", type=Path)
    parser.add_argument("--sets", required=True, help="separated by commas")
    parser.add_argument("--dirs", required=True, help="of the built sets, in the same order")
    parser.add_argument("--json", default="benchmarks/results/trust.json")
    args = parser.parse_args()
    folders = dict(zip(args.sets.split(","), args.dirs.split(","), strict=True))
    rows = []
    for path in args.networks:
        # Without temperature: sets are made of probabilities before calibration, and answers are the same.
        opened = open_network(path)
        network = opened._replace(temperature=None)
        step = jax.jit(trained.predict_step(network))
        own = network.config.data.name
        for dataset, folder in folders.items():
            test = on_set(network, dataset, "test", folder, step)
            every = np.ones_like(test["allowed"])
            row = {
                "trained_on": own,
                "tested_on": dataset,
                "images": len(test["labels"]),
                "masked_classes": [
                    name for name, allowed in zip(network.label_names, test["allowed"], strict=True)
                    if not allowed
                ],
                "masked": accuracies(**test),
                "unmasked": accuracies(test["labels"], test["logs"], every),
            }  # fmt: skip
            if dataset == own:
                validation = on_set(network, dataset, "validation", folder, step)
                row["sets"] = coverage(validation, test)
                row["labels"] = label_noise(
                    [validation, test], opened.temperature or 1.0, network.label_names
                )
            rows.append(row)
            print(row, flush=True)
    measure.record("trust", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
