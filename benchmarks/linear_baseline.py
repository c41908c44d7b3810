"""How far a linear classifier gets on raw pixels: the floor that a network on the toons must clear.

    python benchmarks/linear_baseline.py --dataset=toons/avataaars --json=linear.json

Logistic regression on pixels / 255, fitted on train (4,200 images of 12,288 numbers: about half a minute).
"""

import json
import time
import warnings
from pathlib import Path

import numpy as np
from absl import flags
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ferjax.commands import framework
from ferjax.data import load

_DATASET = flags.DEFINE_string("dataset", "toons/avataaars", "Data set to classify.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the built data sets.")
_STRENGTH = flags.DEFINE_float("c", 0.01, "Inverse strength of the L2 penalty.")
_JSON = flags.DEFINE_string("json", None, "File to write the result to.")


def main(argv: list[str]) -> None:
    splits = {}
    for split in ("train", "validation", "test"):
        source = load(_DATASET.value, split, _DATA_DIR.value)
        batch = source.take(np.arange(len(source)))
        splits[split] = batch["image"].reshape(len(source), -1).astype(np.float32) / 255, batch["label"]

    start = time.perf_counter()
    with warnings.catch_warnings():
        # A hundred steps are enough for a floor: validation accuracy no longer rises.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=_STRENGTH.value, max_iter=100).fit(*splits["train"])
    result = {"dataset": _DATASET.value, "c": _STRENGTH.value, "fit_seconds": time.perf_counter() - start}

    print(f"{'split':<12}{'images':>8}{'accuracy':>10}{'mean class':>12}{'largest class':>15}")
    for split, (pixels, labels) in splits.items():
        predictions = model.predict(pixels)
        scores = {
            "accuracy": float(accuracy_score(labels, predictions)),
            "mean_class_accuracy": float(balanced_accuracy_score(labels, predictions)),
            "largest_class": float(np.bincount(labels).max() / len(labels)),
        }
        print(f"{split:<12}{len(labels):>8}" + "{:>10.1%}{:>12.1%}{:>15.1%}".format(*scores.values()))
        result[split] = scores
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    framework.run(main)
