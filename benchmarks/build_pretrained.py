"""Builds the network that ferjax ships out of finished runs, with its model card and a record.

    python -m benchmarks.build_pretrained RUN [RUN …] [--name faces] [--level 0.8] [--layer layer1_0]
        [--json FILE]

The run of the highest validation accuracy is taken. Its averaged weights are rounded to float16, which halves
the file, and what the rounding does is measured on validation. The temperature is the run's own, fitted to
validation; the threshold below which the network is unsure is the smallest at which the other answers reach
`--level` on validation. What is unlike the faces of training is told by the statistics of `--layer`, see
`ferjax.scores.unlike`; benchmarks/refusal.py compares layers. Test is not read again: its scores are those of
`result.json`, and what the threshold does there is counted in the predictions that the run has stored.

A run that is not finished can be built alone, to try the commands; its card says that it was not tested. The
data set of the run must lie where the run's config says.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks import command_line, measure
from ferjax.cluster.mesh import make_mesh, replicated
from ferjax.deploy.model_card import model_card
from ferjax.errors import UserError
from ferjax.inference import bundle
from ferjax.inference.bundle_files import MANIFEST, WEIGHTS
from ferjax.inference.describe_training import describe
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.pretrained.places import DEFAULT, FOLDER
from ferjax.report.tables import markdown
from ferjax.report.wording import percent
from ferjax.runs import predictions
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT
from ferjax.scores import calibration, unsure
from ferjax.scores.confusion import accuracy_interval
from ferjax.scores.significance import image_intervals
from ferjax.training import setup
from ferjax.training.evaluate import evaluate_rows
from ferjax.training.splits import load_split

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "safetensors")
LARGEST = 4 * 10**6  # bytes of the whole folder
LICENCE = """\
The pictures of FER2013 were collected from the web by a search engine, and their rights are their owners'.
The copy on Kaggle names the Open Database licence for the contents of the data base. ferjax passes none of
the pictures on, only these weights. Whether weights may be used for a purpose, whoever uses them has to find
out: research and trying things out is what they are meant for."""


class Candidate(NamedTuple):
    """A run, its network with its best weights, and its result; None if it is not finished."""

    workdir: Path
    network: Trained
    result: dict[str, Any] | None


def candidates(workdirs: list[Path]) -> list[Candidate]:
    """Opens the runs; the best on validation is the first.

    Raises:
        UserError: several are given and one is not finished, or they are not of one recipe.
    """
    found = []
    for workdir in workdirs:
        done = (workdir / RESULT).exists()
        if not done and len(workdirs) > 1:
            raise UserError(f"{workdir} is not finished: it cannot be compared with the others")
        found.append(
            Candidate(workdir, open_network(workdir), read_result(workdir / RESULT) if done else None)
        )
    if len({(one.network.config.model.name, one.network.config.data.name) for one in found}) > 1:
        raise UserError("the runs are of several networks or data sets: name those of one recipe")
    return sorted(found, key=lambda one: -one.result["validation"]["accuracy"] if one.result else 0.0)


def on_validation(network: Trained) -> tuple[np.ndarray, np.ndarray]:
    """The labels of validation, int `[N]`, and the network's log-probabilities `[N, K]`, unscaled."""
    config = network.config
    source = load_split(config, "validation", cache="stream")
    mesh = make_mesh(ConfigDict({"data": 1, "fsdp": 1}))
    step = jax.jit(setup.build_eval_step(config, network.model), out_shardings=replicated(mesh))
    variables = jax.device_put(network.variables, replicated(mesh))
    found = evaluate_rows(step, variables, source, config.eval.batch_size, mesh)
    return source.labels, found.log_probabilities


def left_out(network: Trained) -> dict[str, int]:
    """How many images of train and validation the run left out because other splits hold them too."""
    every = network.config.copy_and_resolve_references()
    every.data.update(drop_leaks=False, drop_validation_leaks=False)
    return {
        split: len(load_split(every, split, cache="stream"))
        - len(load_split(network.config, split, cache="stream"))
        for split in ("train", "validation")
    }


def tested(result: dict[str, Any]) -> dict[str, Any]:
    """What a finished run says of test, with 95 % intervals, and of its choice on validation."""
    matrix = np.array(result["test"]["confusion_matrix"])
    return {
        "seed": result["seed"],
        "best_step": result["best_step"],
        "steps": result["steps"],
        "validation": result["validation"],
        "test_accuracy": result["test"]["accuracy"],
        "test_accuracy_interval": accuracy_interval(matrix),
        "test_mean_class_accuracy": result["test"]["mean_class_accuracy"],
        "test_mean_class_interval": tuple(image_intervals(matrix)["mean_class_accuracy"]),
        "test_images": int(matrix.sum()),
        "per_class": result["test"]["per_class"],
        "confusion_matrix": result["test"]["confusion_matrix"],
        "probabilities": result.get("probabilities"),
        "best_on_test": result.get("best_on_test"),
        "seconds": result["seconds"],
        "device": result["device"],
        "versions": result["versions"],
        "date": result["date"],
    }


def threshold_on_test(chosen: Candidate, temperature: float, below: float) -> dict[str, float] | None:
    """What the threshold does on test, by the predictions that the run stored; None if it has none."""
    place = predictions.place(chosen.workdir, chosen.network.config.data.name, "test", "npz")
    if chosen.result is None or not place.exists():
        return None
    stored = predictions.read(place)
    if stored.step != chosen.result["best_step"]:
        raise UserError(f"{place} is of step {stored.step:,}, not of the weights that are shipped; remove it")
    scaled = calibration.with_temperature(stored.log_probabilities, temperature)
    return unsure.kept(stored.labels, scaled, below)._asdict()


def card_notes(facts: dict[str, Any], runs: list[dict[str, Any]], dataset: str) -> dict[str, str]:
    """What the card of a run does not say: images left out, licence, rounding, seeds, unsure on test."""
    gone, images = facts["left_out"], facts["validation_images"]
    data = (
        f"{gone['train']:,} images of train and {gone['validation']:,} of validation were left out, because "
        "the same pixels are in a split that scores."
    )
    good = [
        f"These weights are the run's, rounded to float16. On validation that changes {facts['changed']:,} "
        f"of {images:,} answers, and the accuracy from {percent(facts['float32_accuracy'])} to "
        f"{percent(facts['float16_accuracy'])}; the scores above are those of the run before rounding.",
        f"Calibration error on validation: {percent(facts['calibration_error'], 1)}, with the temperature "
        f"{percent(facts['calibration_error_scaled'], 1)}.",
    ]
    if on_test := facts["unsure_on_test"]:
        good.append(
            f"On test the threshold keeps {percent(on_test['coverage'], 0)} of the faces, of which "
            f"{percent(on_test['accuracy'], 1)} are named right."
        )
    if len(runs) > 1:
        rows = [
            [str(run["seed"]), percent(run["validation"]["accuracy"]), percent(run["test_accuracy"])]
            for run in runs
        ]
        good.append(
            f"Of {len(runs)} runs that differ in their seed, this is the best on validation:\n\n"
            + markdown(("seed", "validation accuracy", "test accuracy"), rows)
        )
    return {
        "Data": f"{data}\n\n{LICENCE}" if dataset == "fer2013" else data,
        "How good it is": "\n\n".join(good),
    }


def build(workdirs: list[Path], out: Path, level: float, layer: str) -> list[dict[str, Any]]:
    """Writes the bundle to `out`, in place of an earlier one, and returns the rows of the record.

    Raises:
        UserError: see `candidates`; no threshold reaches the level; the folder is too large.
    """
    chosen, *others = candidates(workdirs)
    network = chosen.network
    rounded = bundle.halved(network)
    labels, exact = on_validation(network)
    _, logs = on_validation(rounded)
    temperature = network.temperature or calibration.fit_temperature(labels, logs)
    scaled = calibration.with_temperature(logs, temperature)
    threshold = unsure.choose(labels, scaled, level)
    if threshold is None:
        raise UserError(
            f"no threshold makes {percent(level, 0)} of the answers on validation right: lower --level"
        )
    rounded = rounded._replace(temperature=temperature, unsure=threshold, unlike=describe(rounded, layer))

    on_test = threshold_on_test(chosen, temperature, threshold.below)
    runs = [tested(one.result) for one in (chosen, *others) if one.result]
    facts = {
        "network": network.config.model.name,
        "dataset": network.config.data.name,
        "left_out": left_out(network),
        "validation_images": len(labels),
        "changed": int((exact.argmax(-1) != logs.argmax(-1)).sum()),
        "float32_accuracy": float((exact.argmax(-1) == labels).mean()),
        "float16_accuracy": float((logs.argmax(-1) == labels).mean()),
        "temperature": temperature,
        "calibration_error": calibration.reliability(labels, logs).error,
        "calibration_error_scaled": calibration.reliability(labels, scaled).error,
        "level": level,
        "unsure": threshold._asdict(),
        "unsure_on_test": on_test,
    }
    card = model_card(rounded, chosen.result, card_notes(facts, runs, network.config.data.name))
    if out.exists():
        if not bundle.is_bundle(out):
            raise UserError(f"{out} is no bundle, and is not replaced; remove it")
        shutil.rmtree(out)
    digest = bundle.write(rounded, card, out, half=True)
    size = sum(file.stat().st_size for file in out.iterdir())
    if size > LARGEST:
        raise UserError(f"{out} has {size:,} bytes, and may have {LARGEST:,}")
    _check_same(rounded, bundle.read(out))
    facts |= {
        "bytes": size,
        "weights_sha256": hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest(),
        f"{MANIFEST}_sha256": digest,
    }
    return [facts, *runs]


def _check_same(written: Trained, read: Trained) -> None:
    """Raises AssertionError unless a bundle gives back what was written."""
    jax.tree.map(np.testing.assert_array_equal, written.variables, read.variables)
    assert (written.temperature, written.unsure) == (read.temperature, read.unsure)
    assert written.unlike is not None
    assert read.unlike is not None
    assert written.unlike.to_json() == read.unlike.to_json()


def main() -> None:
    """Builds, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("workdirs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument(
        "--name", default=DEFAULT, help="the network's name, its folder in ferjax/pretrained/"
    )
    parser.add_argument(
        "--layer", default="layer1_0", help="whose statistics tell what is unlike the faces of training"
    )
    parser.add_argument(
        "--level", type=float, default=0.8, help="accuracy of the answers that are not unsure"
    )
    parser.add_argument("--json", default="benchmarks/results/pretrained.json")
    args = parser.parse_args()
    try:
        rows = build(args.workdirs, FOLDER / args.name, args.level, args.layer)
    except UserError as error:
        raise SystemExit(f"build_pretrained: {error}") from error
    print(json.dumps(rows[0], indent=1))
    measure.record("pretrained", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
