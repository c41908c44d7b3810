"""What several trained networks give together, on validation: their mean answer, and their mean weights.

    python -m benchmarks.ensembles NETWORK NETWORK [NETWORK …] [--data_dir DIR] [--json FILE]

A network is a run, a bundle or the name of one that ferjax ships; all know the same classes and set. Each is
scored alone; then for each group of them the mean of their calibrated probabilities ("ensemble") and, where
they are of one kind, the network whose weights are the mean of theirs ("mean weights", Wortsman et al.,
"Model soups", ICML 2022). Nothing is trained, and test is not read.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, measure
from benchmarks.build_pretrained import on_validation
from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.scores import calibration
from ferjax.scores.confusion import accuracy, mean_class_accuracy

PACKAGES = ("jax", "jaxlib", "flax", "numpy")


def opened(name: str, data_dir: str) -> Trained:
    """Opens a network whose set lies in `data_dir`; in its own folder if empty."""
    network = open_network(name)
    config = network.config.copy_and_resolve_references()
    config.data.dir = data_dir or config.data.dir
    return network._replace(config=config)


def chances_of(network: Trained) -> tuple[np.ndarray, np.ndarray]:
    """The labels of validation, int `[N]`, and calibrated probabilities, float64 `[N, K]`."""
    labels, logs = on_validation(network)
    return labels, np.exp(calibration.with_temperature(logs, network.temperature or 1.0))


def mean_weights(networks: Sequence[Trained]) -> Trained | None:
    """The first network with the mean weights and statistics of all; None if they are not of one kind."""
    trees = [network.variables for network in networks]
    shapes = [jax.tree.map(np.shape, tree) for tree in trees]
    if any(shape != shapes[0] for shape in shapes) or len({str(network.model) for network in networks}) > 1:
        return None
    return networks[0]._replace(variables=jax.tree.map(lambda *arrays: np.mean(arrays, 0), *trees))


def row_of(what: str, names: Sequence[str], labels: np.ndarray, chances: np.ndarray) -> dict[str, Any]:
    """The scores of one choice."""
    classes = chances.shape[1]
    matrix = np.bincount(labels * classes + chances.argmax(1), minlength=classes**2).reshape(classes, classes)
    return {
        "what": what,
        "networks": list(names),
        "images": len(labels),
        "accuracy": accuracy(matrix),
        "mean_class_accuracy": mean_class_accuracy(matrix),
    }


def rows_of(networks: dict[str, Trained]) -> list[dict[str, Any]]:
    """Scores each network, and each group of two or more.

    Raises:
        UserError: they do not know the same classes, or score other images.
    """
    if len({network.label_names for network in networks.values()}) > 1:
        raise UserError("the networks know other classes than each other: name those of one set")
    scored = {name: chances_of(network) for name, network in networks.items()}
    labels, _ = next(iter(scored.values()))
    if any(not np.array_equal(labels, others) for others, _ in scored.values()):
        raise UserError("the networks were validated on different images: name those of one set and split")
    rows = [row_of("alone", [name], labels, chances) for name, (_, chances) in scored.items()]
    for count in range(2, len(networks) + 1):
        for names in itertools.combinations(networks, count):
            together = np.mean([scored[name][1] for name in names], axis=0)
            rows.append(row_of("ensemble", names, labels, together))
            if (mean := mean_weights([networks[name] for name in names])) is not None:
                rows.append(row_of("mean weights", names, *chances_of(mean)))
    return rows


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--json", default="benchmarks/results/ensembles.json")
    args = parser.parse_args()
    if len(set(args.networks)) < 2:
        parser.error("name two networks or more")
    rows = rows_of({name: opened(name, args.data_dir) for name in args.networks})
    for row in rows:
        print(
            f"{row['what']:12} {row['accuracy']:.2%}, mean class {row['mean_class_accuracy']:.2%}: "
            + ", ".join(row["networks"])
        )
    measure.record("ensembles", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
