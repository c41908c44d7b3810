"""Measures how a network's accuracy falls with each corruption and strength, and under chosen noise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from ferjax.augment.crops import views
from ferjax.augment.normalisation import normalise
from ferjax.data.sources import Source
from ferjax.errors import UserError, nearest
from ferjax.inference import trained
from ferjax.inference.needed_memory import most_pictures
from ferjax.inference.trained import Trained
from ferjax.robustness import attacks
from ferjax.robustness.corruptions import CORRUPTIONS, corrupted
from ferjax.scores.confusion import accuracy, accuracy_interval, mean_class_accuracy

STRENGTHS = (1, 2, 3, 4, 5)
BOUNDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # of the attacks, in units of 0–255
PGD_STEPS = 10
SHOWN = (1, 3, 5)  # strengths of which a picture is kept
_BROKEN = 12


class Images(NamedTuple):
    """N images of a split, as the network reads them.

    Attributes:
        pixels: uint8 `[N, S, S, C]`.
        labels: int32 `[N]`.
        indices: int64 `[N]`, their places in the split.
    """

    pixels: UInt8[np.ndarray, "N S S C"]
    labels: Int[np.ndarray, " N"]
    indices: Int[np.ndarray, " N"]


class Broken(NamedTuple):
    """An image that is answered rightly when clean and wrongly when damaged a little.

    Attributes:
        corruption: the kind.
        strength: the lowest at which the answer is wrong.
        row: the image's place among those that are measured.
        actual: the label.
        predicted: the wrong class.
        probability: of that class.
        pixels: the damaged image, uint8 `[S, S, C]`.
    """

    corruption: str
    strength: int
    row: int
    actual: int
    predicted: int
    probability: float
    pixels: UInt8[np.ndarray, "S S C"]


class Measured(NamedTuple):
    """What `measure` found.

    Attributes:
        figures: ready for JSON; see `measure`.
        indices: the images' places in the split.
        examples: corruption → the first image at three strengths.
        broken: the surest wrong answers to the least damaged images, at most one an image.
    """

    figures: dict[str, Any]
    indices: list[int]
    examples: dict[str, list[UInt8[np.ndarray, "S S C"]]]
    broken: list[Broken]


def chosen_images(source: Source, network: Trained, count: int) -> Images:
    """Reads images evenly over a split.

    Args:
        source: the split.
        network: whose classes it must have.
        count: how many at most; 0: all.

    Raises:
        UserError: the split's classes are not the network's.
    """
    if source.label_names != network.label_names:
        raise UserError(
            f"{source.name} has the classes {', '.join(source.label_names)}, and the network "
            f"{', '.join(network.label_names)}: robustness needs a set of the network's classes"
        )
    total = len(source)
    indices = np.arange(total) if not 0 < count < total else np.linspace(0, total - 1, count).astype(int)
    rows = source.take(indices)
    return Images(rows["image"], np.asarray(source.labels)[indices], indices)


def measure(
    network: Trained, images: Images, seed: int = 0, attacked: int = 100, kinds: Sequence[str] = ()
) -> Measured:
    """Measures all corruptions at all strengths, and two attacks at five bounds.

    Args:
        network: the network.
        images: the test images.
        seed: of what the corruptions draw.
        attacked: how many of the images are attacked, from the first on; 0: none.
        kinds: names in `CORRUPTIONS`; all if empty.

    Raises:
        UserError: there is no such kind.

    Returns:
        Its figures: `images`, `clean` (accuracy with 95 % interval, mean class accuracy), `corruptions`
        (name → `strengths`, `accuracy` and `mean_class_accuracy`, each of the five strengths, and `error`,
        the mean share of wrong answers over them), `mean_error` (of all), and `attacks` (`images`, `bounds`,
        `clean`, `fgsm` and `pgd`: accuracies).
    """
    for name in kinds:
        if name not in CORRUPTIONS:
            raise UserError(
                f"there is no corruption {name[:40]!r}; the nearest are {nearest(name, CORRUPTIONS)}"
            )
    key, step = jax.random.key(seed), jax.jit(trained.predict_step(network))
    variables = jax.device_put(network.variables)
    size = _batch_size(network, len(images.labels))

    def predict(name: str | None, strength: int = 0) -> tuple[Float[np.ndarray, "N K"], np.ndarray]:
        """Returns log probabilities and the damaged images."""
        logs, damaged = [], []
        for pixels, indices, real in _batches(images, size):
            shown = pixels if name is None else np.asarray(corrupted(name, strength, key, indices, pixels))
            damaged.append(shown[:real])
            # A grey set's images have one channel; the step takes colours, and makes grey of them again.
            coloured = shown.repeat(3, axis=-1) if shown.shape[-1] == 1 else shown
            logs.append(np.asarray(step(variables, coloured))[:real])
        return np.concatenate(logs), np.concatenate(damaged)

    clean, _ = predict(None)
    right = clean.argmax(-1) == images.labels
    figures: dict[str, Any] = {
        "images": len(images.labels),
        "seed": seed,
        "clean": {
            **_scores(clean, images.labels),
            "interval": list(accuracy_interval(_confusion(clean, images.labels))),
        },
        "corruptions": {},
    }
    examples, found = {}, []
    for name in kinds or CORRUPTIONS:
        kind = CORRUPTIONS[name]
        rows, examples[name] = [], []
        for strength in STRENGTHS:
            logs, damaged = predict(name, strength)
            rows.append(_scores(logs, images.labels))
            found += _broken(images.labels, damaged, right, logs, name, strength)
            if strength in SHOWN:
                examples[name].append(damaged[0])
        figures["corruptions"][name] = {
            "strengths": list(kind.strengths),
            "about": kind.words,
            **{score: [row[score] for row in rows] for score in rows[0]},
            "error": 1 - float(np.mean([row["accuracy"] for row in rows])),
        }
    errors = [row["error"] for row in figures["corruptions"].values()]
    figures["mean_error"] = float(np.mean(errors))
    if attacked:
        figures["attacks"] = _attacked(network, variables, images, key, attacked, size)
    return Measured(figures, images.indices.tolist(), examples, _surest(found))


def relative(figures: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """Compares with another network on the same images, as the mean corruption error does.

    Args:
        figures: of `measure`.
        baseline: likewise, of the other network.

    Returns:
        `corruptions`: name → the error divided by the baseline's, None where that is 0; and `mean`, their
        mean (Hendrycks & Dietterich's mCE, as a share).
    """
    ratios = {
        name: row["error"] / other if (other := baseline["corruptions"][name]["error"]) else None
        for name, row in figures["corruptions"].items()
    }
    known = [ratio for ratio in ratios.values() if ratio is not None]
    return {"corruptions": ratios, "mean": float(np.mean(known)) if known else None}


def _batch_size(network: Trained, count: int) -> int:
    shape = (network.image_size, network.image_size, 3)
    return min(most_pictures(network.model, shape, network.config.eval.batch_size), count)


def _batches(images: Images, size: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yields pixels, indices and how many rows are real; the last batch repeats its first row."""
    for start in range(0, len(images.labels), size):
        pixels, indices = (part[start : start + size] for part in (images.pixels, images.indices))
        padding = size - len(pixels)
        yield (
            np.concatenate([pixels, pixels[:1].repeat(padding, 0)]),
            np.concatenate([indices, indices[:1].repeat(padding, 0)]).astype(np.int32),
            len(pixels),
        )


def _scores(logs: Float[np.ndarray, "N K"], labels: Int[np.ndarray, " N"]) -> dict[str, float]:
    counts = _confusion(logs, labels)
    return {"accuracy": accuracy(counts), "mean_class_accuracy": mean_class_accuracy(counts)}


def _confusion(logs: Float[np.ndarray, "N K"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, "K K"]:
    classes = logs.shape[1]
    return np.bincount(labels * classes + logs.argmax(-1), minlength=classes**2).reshape(classes, classes)


def _broken(
    labels: np.ndarray, damaged: np.ndarray, right: np.ndarray, logs: np.ndarray, name: str, strength: int
) -> list[Broken]:
    """Lists the surest wrong answers to images that are answered rightly when clean."""
    predicted = logs.argmax(-1)
    wrong = np.flatnonzero(right & (predicted != labels))
    surest = wrong[np.argsort(-logs[wrong, predicted[wrong]], kind="stable")][:_BROKEN]
    return [
        Broken(
            name, strength, int(row), int(labels[row]), int(predicted[row]),
            float(np.exp(logs[row, predicted[row]])), damaged[row].copy(),
        )
        for row in surest
    ]  # fmt: skip


def _surest(found: list[Broken]) -> list[Broken]:
    """Keeps the least damaged and surest of each image."""
    best: dict[int, Broken] = {}
    for broken in sorted(found, key=lambda broken: (broken.strength, -broken.probability)):
        best.setdefault(broken.row, broken)
    return list(best.values())[:_BROKEN]


def _attacked(
    network: Trained, variables: Any, images: Images, key: jax.Array, count: int, size: int
) -> dict[str, Any]:
    """Attacks the first images at each bound."""
    dtype = jnp.dtype(network.config.train.precision)

    def logits(variables: Any, pixels: jax.Array) -> jax.Array:
        (view,) = views(pixels, network.image_size, "none")
        result: Any = network.model.apply(variables, normalise(view, dtype), train=False)
        return result

    @jax.jit
    def attack(variables: Any, pixels: jax.Array, labels: jax.Array, bound: jax.Array) -> list[jax.Array]:
        grey = network.grey and pixels.shape[-1] == 3
        values = (trained.luma(pixels) if grey else pixels).astype(jnp.float32)
        moved = [
            values,
            attacks.fgsm(logits, variables, values, labels, bound),
            attacks.pgd(logits, variables, values, labels, bound, key, PGD_STEPS),
        ]
        return [logits(variables, each).argmax(-1) == labels for each in moved]

    part = Images(*(each[:count] for each in images))
    size, labels = min(size, len(part.labels)), part.labels
    accuracies = []
    for bound in BOUNDS:
        right = []
        for start, (pixels, _, real) in enumerate(_batches(part, size)):
            own = np.resize(labels[start * size : (start + 1) * size], size)
            right.append(np.stack(attack(variables, pixels, own, jnp.float32(bound)))[:, :real])
        accuracies.append(np.concatenate(right, axis=1).mean(1))
    clean, fgsm, pgd = np.array(accuracies).T.tolist()
    return {"images": len(labels), "bounds": list(BOUNDS), "clean": clean[0], "fgsm": fgsm, "pgd": pgd}
