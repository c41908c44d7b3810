"""Compares scores that tell what is no face, and measures the one that a network's bundle holds.

    python -m benchmarks.refusal --data_dir=DIR [--bundle PATH] [--toons_dir DIR] [--count 300] [--write]
        [--json FILE]

DIR is that of `ferjax prepare fer2013`. Every score's threshold keeps 95 % of the faces of validation; what
it refuses is counted on `benchmarks.non_faces`' pictures of validation, by which a score is chosen, and on
those of test, which chose nothing. Real faces of the test split that are refused are refused wrongly, as are
those of LFW. The scores: the largest probability (Hendrycks & Gimpel, 2017); the largest logit (Hendrycks et
al., 2022); energy, −log Σ exp (Liu et al., 2020); Mahalanobis's distance of the classifier's input from the
nearest class (Lee et al., 2018) and its cosine with the nearest class's mean; Mahalanobis's distance of the
statistics of each layer, see `ferjax.scores.unlike`.

`--write` puts the distance of `--layer` into the bundle, in place, and corrects the bundle's record in
benchmarks/results/pretrained.json.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp, softmax

from benchmarks import command_line, measure, non_faces
from ferjax import data
from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.errors import UserError
from ferjax.inference import bundle
from ferjax.inference.layer_statistics import statistics_step
from ferjax.inference.trained import Trained
from ferjax.models.observed import classifier_of, observed
from ferjax.pretrained.places import DEFAULT, FOLDER
from ferjax.report.tables import markdown
from ferjax.scores import unlike
from ferjax.scores.confusion import accuracy_interval
from ferjax.training.network import image_shape

LAYERS = ("bn1", "layer1_0", "layer2_0", "layer2_1", "layer3_0")
BATCH = 256
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image", "scikit-learn")
RECORD = Path("benchmarks/results/pretrained.json")

Features = Mapping[str, np.ndarray]
Score = Callable[[Features], np.ndarray]  # the higher, the less like a face of training


def computing(network: Trained) -> Callable[[np.ndarray], Features]:
    """Compiles what the scores need of grey pictures, without their mirror images.

    Returns:
        A function from uint8 `[N, 48, 48, 1]` to `logits` `[N, K]`, `input` of the classifier, `[N, F]`, and
        the statistics of each of `LAYERS`.
    """
    classifier = classifier_of(network.model, image_shape(network.config), "the benchmark")
    apply = observed(network.model.apply, classifier=classifier)
    steps = {layer: statistics_step(network, layer) for layer in LAYERS}

    @jax.jit
    def step(images: jax.Array) -> dict[str, jax.Array]:
        seen = normalise(views(images, network.image_size, "none")[0], jnp.float32)
        logits, found = apply(network.variables, seen, train=False)
        layers = {layer: compute(network.variables, images) for layer, compute in steps.items()}
        return {"logits": logits, "input": found.features, **layers}

    def compute(images: np.ndarray) -> Features:
        parts = []
        for start in range(0, len(images), BATCH):
            rows = images[start : start + BATCH]
            padding = np.zeros((BATCH - len(rows), *rows.shape[1:]), np.uint8)
            found = step(np.concatenate([rows, padding]))
            parts.append({name: np.asarray(value)[: len(rows)] for name, value in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return compute


def scores(train: Features, labels: np.ndarray, validation: Features) -> dict[str, Score]:
    """Makes every score out of what the network computes of training pictures with labels `[N]`."""
    features = train["input"].astype(np.float64)
    means = np.stack([features[labels == label].mean(0) for label in range(train["logits"].shape[1])])
    within = unlike.fit("", features - means[labels], features - means[labels])

    def nearest(found: Features) -> np.ndarray:
        return np.min([within.distances(found["input"] - mean) for mean in means], axis=0)

    def cosine(found: Features) -> np.ndarray:
        return -(_unit(found["input"]) @ _unit(means).T).max(1)

    def of_layer(layer: str) -> Score:
        fitted = unlike.fit(layer, train[layer], validation[layer])
        return lambda found: fitted.distances(found[layer])

    return {
        "largest probability": lambda found: -softmax(found["logits"], axis=1).max(1),
        "largest logit": lambda found: -found["logits"].max(1),
        "energy": lambda found: -logsumexp(found["logits"], axis=1),
        "classifier's input: nearest class, Mahalanobis": nearest,
        "classifier's input: nearest class, cosine": cosine,
        **{f"statistics of {layer}": of_layer(layer) for layer in LAYERS},
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def refused(score: Score, above: float, found: Features) -> dict[str, object]:
    """Counts what a score refuses: share, 95 % interval, pictures."""
    far = score(found) > above
    matrix = np.array([[far.sum(), (~far).sum()], [0, 0]])
    return {"refused": float(far.mean()), "interval": accuracy_interval(matrix), "pictures": len(far)}


def compare(
    network: Trained, data_dir: str, toons_dir: str, count: int, train: int
) -> tuple[list[dict[str, object]], dict[str, unlike.Unlike]]:
    """Measures every score on every kind of picture, on validation and on test.

    Returns:
        A row for each score, kind and split; and for each layer what can be put into a bundle.
    """
    compute = computing(network)
    sources = {split: _source(split, data_dir) for split in ("train", *non_faces.SPLITS)}
    some = np.sort(np.random.default_rng(0).permutation(len(sources["train"]))[:train])
    known = compute(sources["train"].take(some)["image"])
    faces = {
        split: sources[split].take(np.arange(len(sources[split])))["image"] for split in non_faces.SPLITS
    }
    seen = {split: compute(images) for split, images in faces.items()}
    every = scores(known, sources["train"].labels[some], seen["validation"])
    above = {
        name: float(np.quantile(score(seen["validation"]), unlike.KEPT)) for name, score in every.items()
    }
    rows: list[dict[str, object]] = []
    for split in non_faces.SPLITS:
        pictures = non_faces.kinds(split, faces[split], count, toons_dir)
        found = {"faces (FER2013)": seen[split], **{kind: compute(each) for kind, each in pictures.items()}}
        rows += [
            {"split": split, "score": name, "kind": kind, **refused(score, above[name], features)}
            for name, score in every.items()
            for kind, features in found.items()
        ]
        print(f"\n{split}: refused, in per cent\n{_table(rows, split)}", flush=True)
    return rows, {layer: unlike.fit(layer, known[layer], seen["validation"][layer]) for layer in LAYERS}


def _source(split: str, data_dir: str):
    return data.load(
        "fer2013", split, data_dir, image_size=non_faces.SIDE, drop_leaks=True, drop_validation_leaks=True
    )


def _table(rows: list[dict], split: str) -> str:
    own = [row for row in rows if row["split"] == split]
    kinds, names = (list(dict.fromkeys(row[key] for row in own)) for key in ("kind", "score"))
    shares = {(row["score"], row["kind"]): f"{100 * row['refused']:.1f}" for row in own}
    return markdown(["score", *kinds], [[name, *(shares[name, kind] for kind in kinds)] for name in names])


def put(reference: unlike.Unlike, path: Path) -> None:
    """Writes the reference into a bundle of float16 weights, in place, and corrects its record."""
    network, card = bundle.read(path), bundle.read_card(path)
    weights = (path / bundle.WEIGHTS).read_bytes()
    fresh = path.with_name(f".{path.name}")
    digest = bundle.write(network._replace(unlike=reference), card, fresh, half=True)
    if (fresh / bundle.WEIGHTS).read_bytes() != weights:
        raise UserError(f"the weights of {path} are not those of a bundle of float16")
    shutil.rmtree(path)
    fresh.rename(path)
    record = json.loads(RECORD.read_text())
    facts = record["rows"][0]
    if facts["weights_sha256"] == hashlib.sha256(weights).hexdigest():
        facts["bytes"] = sum(file.stat().st_size for file in path.iterdir())
        facts["manifest.json_sha256"] = digest
        RECORD.write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Measures, prints and records; with --write it also changes the bundle."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="of the built FER2013")
    parser.add_argument("--toons_dir", default="", help="of the built toons; the usual one if empty")
    parser.add_argument("--bundle", type=Path, default=FOLDER / DEFAULT)
    parser.add_argument("--count", type=int, default=300, help="pictures of a kind")
    parser.add_argument("--train", type=int, default=4_000, help="training pictures that are described")
    parser.add_argument("--layer", default="layer1_0", choices=LAYERS, help="what --write puts in")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", default="benchmarks/results/refusal.json")
    args = parser.parse_args()
    network = bundle.read(args.bundle)
    rows, fitted = compare(network, args.data_dir, args.toons_dir, args.count, args.train)
    measure.record("refusal", rows, PACKAGES, args.json)
    if args.write:
        put(fitted[args.layer], args.bundle)


if __name__ == "__main__":
    main()
