"""How well `python -m ferjax labels` finds labels that were made wrong: toons, planted noise, k folds.

    python -m benchmarks.label_estimates [--noise 0.1,0.2,0.3] [--folds 5] [--config RECIPE]
                                         [--epochs 12] [--image_size 48] [--workdir DIR] [--json FILE]

A part of the training labels of toons/avataaars gets another class, each equally likely; validation and test,
a third of the set, stay right, and the true share is that of the whole set. The folds are trained, each
picture is judged by the mean answer for it and its mirror image, and the estimate, its interval and the
suspects are compared with the truth. The recipe averages its weights, which learns less of the noise. Started
again with the same --workdir it goes on.

`--noise 0.2 --folds 2 --epochs 1` tries it.
"""

import argparse
import importlib
import tempfile
from pathlib import Path

from benchmarks import command_line, measure
from ferjax.labels.run import from_folds
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def measured(noise: float, args: argparse.Namespace, workdir: Path) -> dict:
    """Trains the folds for one share of wrong labels; a row of the record."""
    name, comma, fields = args.config.partition(",")
    config = importlib.import_module(f"configs.{name}").get_config(f"toons{comma}{fields}")
    config.data.update(image_size=args.image_size, label_noise=noise, dir=args.data_dir)
    config.train.update(epochs=args.epochs, log_every=100)
    config.eval.crops = "flip"
    numbers = from_folds(config, {}, workdir / f"noise{noise:g}", args.folds, shown=12).numbers
    return {
        "noise": noise,
        "config": args.config,
        "folds": args.folds,
        "epochs": args.epochs,
        "image_size": args.image_size,
        "examples": numbers["examples"],
        "accuracy": numbers["accuracy"],
        "estimate": numbers["noise"]["share"],
        "interval": numbers["noise"]["interval"],
        "by_confident_joint": numbers["noise"]["by_confident_joint"],
        "flagged": numbers["flagged"]["total"],
        "planted": numbers["planted"],
    }


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--noise", default="0.1,0.2,0.3", help="parts of the labels, separated by commas")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--config",
        default="fer_cnn,optimizer.ema_decay=0.995",
        help="a recipe's name, and maybe fields; default: %(default)s",
    )
    parser.add_argument("--epochs", type=float, default=12.0)
    parser.add_argument("--image_size", type=int, default=48)
    parser.add_argument("--data_dir", default="", help="folder of the built sets")
    parser.add_argument("--workdir", type=Path, help="where runs are kept; else they are removed")
    parser.add_argument("--json", default="benchmarks/results/label_estimates.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measured(noise, args, args.workdir or Path(folder)) for noise in map(float, args.noise.split(","))
        ]
    print(
        f"\n{'true':>6s} {'estimate':>9s}   {'95 %':16s} {'joint':>6s} {'suspects':>9s} "
        f"{'of them wrong':>14s} {'of the wrong':>13s} {'at 80 %':>8s}"
    )
    for row in rows:
        low, high = row["interval"]
        truth = row["planted"]
        print(
            f"{truth['share']:6.1%} {row['estimate']:9.1%}   {f'{low:.1%} to {high:.1%}':16s} "
            f"{row['by_confident_joint']:6.1%} {row['flagged']:9,}"
            f" {truth['precision']:14.1%} {truth['recall']:13.1%} {truth['precision_at_80']:8.1%}"
        )
    measure.record("label_estimates", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
