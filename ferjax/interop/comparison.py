"""Differences between ferjax's arrays and PyTorch's, their tolerances, and tables of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.interop.torch_networks import network
from ferjax.report.tables import markdown

# Kind of arrays, such as `gradients` → PyTorch's name of one → the array.
Groups = dict[str, dict[str, np.ndarray]]

PRECISIONS = ("float64", "float32")
# Largest relative difference of arrays that count as equal; None: differences are shown and not judged.
_TOLERANCES: dict[str, dict[str, float | None]] = {
    "float64": {"gradients": 1e-8, "learning rates": 1e-6, "losses": 1e-6, "weights": 1e-6, "other": 1e-9},
    # Each step starts from weights that rounding has moved, and AdamW turns noise into whole steps.
    "float32": {"gradients": 1e-3, "learning rates": 1e-6, "losses": None, "weights": None, "other": 1e-4},
}


class Batches(NamedTuple):
    """N batches: images uint8 `[N, B, H, W, 3]` and labels int32 `[N, B]`."""

    images: np.ndarray
    labels: np.ndarray


class Recipe(NamedTuple):
    """An optimizer, `sgd` or `adamw`, whose rate falls by a cosine to zero at the last step."""

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float


RECIPES = (Recipe("sgd", 0.01, 0.9, 1e-4), Recipe("adamw", 1e-3, 0.0, 1e-2))


def random_batches(count: int, batch: int, image_size: int, num_classes: int, seed: int) -> Batches:
    """Draws batches of noise: every pixel and label from its whole range."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, batch, image_size, image_size, 3), np.uint8)
    return Batches(images, rng.integers(0, num_classes, (count, batch), np.int32))


def class_weights(num_classes: int) -> np.ndarray:
    """Makes unequal weights `[K]` that every precision holds exactly."""
    return 0.5 + np.arange(num_classes, dtype=np.float32) % 5 / 4


def numbered(name: str, values: Sequence[Any]) -> dict[str, np.ndarray]:
    """Names the outputs of a module that is called several times, or gives several."""
    if len(values) == 1:
        return {name: np.asarray(values[0])}
    return {f"{name}[{i}]": np.asarray(value) for i, value in enumerate(values)}


def split_state(name: str, state_dict: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits a state dict into running statistics and its other arrays; leaves the batch counters out."""
    collections = {row.torch_key(leaf): leaf.collection for row in network(name).rows for leaf in row.kind}
    parts: dict[str, dict[str, Any]] = {"batch_stats": {}, "params": {}}
    for key, value in state_dict.items():
        if key in collections:
            parts[collections[key]][key] = value
    return parts["batch_stats"], parts["params"]


class Gap(NamedTuple):
    """The difference between one array and its counterpart.

    Attributes:
        name: PyTorch's.
        shape: of ferjax's array.
        error: largest absolute difference.
        relative: that, divided by the largest absolute value of PyTorch's array; of all of the layer's
            arrays for gradients, as that of a bias before batch normalisation is zero but for rounding.
    """

    name: str
    shape: tuple[int, ...]
    error: float
    relative: float


class Group(NamedTuple):
    """The gaps of all arrays of one kind in one precision, in the order of computation."""

    precision: str
    what: str
    gaps: tuple[Gap, ...]
    tolerance: float | None

    @property
    def worst(self) -> Gap:
        """Finds the largest relative gap; NaN counts as the largest."""
        return max(self.gaps, key=lambda gap: np.nan_to_num(gap.relative, nan=np.inf))

    @property
    def parting(self) -> str | None:
        """Finds the first name whose arrays differ; None if none does or the group is not judged."""
        if self.tolerance is None:
            return None
        return next((gap.name for gap in self.gaps if not gap.relative <= self.tolerance), None)


def compare(precision: str, ours: Groups, theirs: Groups, prefix: str = "") -> list[Group]:
    """Compares everything that both sides have computed.

    Args:
        precision: one of `PRECISIONS`.
        ours: ferjax's arrays.
        theirs: PyTorch's, in the order of computation.
        prefix: put before the kinds' names.

    Raises:
        LookupError: the two sides have not computed the same arrays, which is a mistake in the network's
            table. A layer is left out where one side calls it more often than the other.
    """
    limits = _TOLERANCES[precision]
    groups = []
    for what, arrays in theirs.items():
        if what.startswith("activations"):
            arrays = {name: array for name, array in arrays.items() if name in ours[what]}
        elif arrays.keys() != ours[what].keys():
            differing = ", ".join(sorted(arrays.keys() ^ ours[what].keys()))
            raise LookupError(f"{prefix}{what}: only one side has {differing}")
        gaps = tuple(_gap(name, ours[what][name], arrays, what == "gradients") for name in arrays)
        if gaps:
            limit = limits.get(what, limits["other"])
            # After steps, statistics are as far apart as the weights that they come from.
            limit = limits["weights"] if prefix and what == "running statistics" else limit
            groups.append(Group(precision, f"{prefix}{what}", gaps, limit))
    return groups


def _gap(name: str, ours: np.ndarray, theirs: Mapping[str, np.ndarray], by_layer: bool) -> Gap:
    expected = np.asarray(theirs[name], np.float64)
    if expected.ndim == 4 and expected.shape[1:3] == (1, 1) and ours.ndim == 2:
        expected = expected[:, 0, 0]  # a 1×1 convolution of averages there, a linear layer here
    if ours.shape != expected.shape:
        raise LookupError(f"{name} is {list(ours.shape)} here and {list(expected.shape)} in PyTorch")
    error = float(np.abs(np.asarray(ours, np.float64) - expected).max())
    scales = [expected]
    if by_layer:
        layer = name.rpartition(".")[0]
        scales = [value for key, value in theirs.items() if key.rpartition(".")[0] == layer]
    scale = max(float(np.abs(value).max()) for value in scales)
    return Gap(name, ours.shape, error, error / scale if scale else (0.0 if error == 0 else np.inf))


def summary_table(groups: Sequence[Group]) -> str:
    """Makes a Markdown table with a row for each group."""
    rows = [
        (
            group.what,
            group.precision,
            str(len(group.gaps)),
            f"{max(gap.error for gap in group.gaps):.1e}",
            f"{group.worst.relative:.1e}",
            "not judged" if group.tolerance is None else f"{group.tolerance:.0e}",
            group.parting or ("–" if group.tolerance is None else "nowhere"),
        )
        for group in groups
    ]
    return markdown(
        ("what", "precision", "arrays", "largest error", "relative", "tolerance", "first parts at"), rows
    )


def layer_table(groups: Sequence[Group]) -> str:
    """Makes a Markdown table of relative gaps of outputs and gradients, a row for each layer and block."""
    columns: dict[str, dict[str, float]] = {}
    shapes: dict[str, str] = {}
    for group in groups:
        if group.what not in ("activations, evaluation", "activations, training", "gradients"):
            continue
        column = columns.setdefault(f"{group.what.removeprefix('activations, ')} {group.precision}", {})
        for gap in group.gaps:
            layer = gap.name.rpartition(".")[0] if group.what == "gradients" else gap.name
            column[layer] = max(column.get(layer, 0.0), gap.relative)
            if group.what != "gradients":
                shapes.setdefault(layer, "×".join(map(str, gap.shape[1:])))
    rows = [
        (layer, shape, *(f"{column[layer]:.1e}" if layer in column else "" for column in columns.values()))
        for layer, shape in shapes.items()
    ]
    return markdown(("layer or block", "output", *columns), rows)


def as_json(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Yields a JSON-ready object for each group, with every gap."""
    for group in groups:
        yield {
            "precision": group.precision,
            "what": group.what,
            "tolerance": group.tolerance,
            "parts_at": group.parting,
            "arrays": [gap._asdict() for gap in group.gaps],
        }
