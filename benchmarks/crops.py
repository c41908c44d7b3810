"""What averaging over crops and mirror images gives a finished run, on validation.

    python -m benchmarks.crops RUN [--json FILE]

Every choice of `eval.crops` is scored on the validation images of the run, with its best weights: accuracy,
mean class accuracy and loss, and how long it took. The data set must lie where the run's config says. Test is
not read.
"""

import time
from pathlib import Path

import jax
from ml_collections import ConfigDict

from benchmarks import command_line, measure
from ferjax.cluster.mesh import make_mesh, replicated
from ferjax.config.validation import CORNERED
from ferjax.inference.open_run import open_network
from ferjax.scores.confusion import accuracy, mean_class_accuracy
from ferjax.training import setup
from ferjax.training.evaluate import evaluate_rows
from ferjax.training.splits import load_split

PACKAGES = ("jax", "jaxlib", "flax", "numpy")


def score(workdir: Path, crops: str) -> dict:
    """The scores of a run with one choice of `eval.crops`."""
    network = open_network(workdir).with_crops(crops)
    config = network.config
    source = load_split(config, "validation", cache="memory")
    mesh = make_mesh(ConfigDict({"data": 1, "fsdp": 1}))
    step = jax.jit(setup.build_eval_step(config, network.model), out_shardings=replicated(mesh))
    variables = jax.device_put(network.variables, replicated(mesh))
    start = time.perf_counter()
    found = evaluate_rows(step, variables, source, config.eval.batch_size, mesh)
    return {
        "crops": crops,
        "images": len(source),
        "accuracy": accuracy(found.confusion),
        "mean_class_accuracy": mean_class_accuracy(found.confusion),
        "loss": found.loss,
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("workdir", type=Path, metavar="RUN")
    parser.add_argument("--json", default="benchmarks/results/crops.json")
    args = parser.parse_args()
    cornered = CORNERED if open_network(args.workdir).config.data.source_size else ()
    rows = [score(args.workdir, crops) for crops in ("none", "flip", *cornered)]
    for row in rows:
        print(
            f"{row['crops']:5} {row['accuracy']:.2%}, mean class {row['mean_class_accuracy']:.2%}, "
            f"loss {row['loss']:.4f}, {row['seconds']:.1f} s"
        )
    measure.record("crops", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
