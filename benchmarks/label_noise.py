"""What EAC, SCN and RUL give against wrong labels: the embedded toons, some training labels made wrong.

    python -m benchmarks.label_noise [--noise 0.2,0.3] [--seeds 5] [--epochs 10] [--methods eac,scn,rul]
                                     [--image_size 32] [--workdir DIR] [--json FILE]

The small residual network trains from scratch, plainly and with each method, with the same seeds; a seed is
also that of the wrong labels. Test labels are right. Methods are compared with plain training seed by seed.
Random erasing, which EAC needs, is on for all of them. Started again with the same --workdir it goes on.

`--noise 0.2 --seeds 2 --epochs 0.1 --image_size 16` tries it.
"""

import argparse
import tempfile
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import measure
from configs.small_resnet import get_config
from ferjax.experiments.runs import Runner
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled
from ferjax.scores import significance

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
PLAIN = "plain"
# What each method sets beside the recipe; the values are the papers', SCN's epoch a quarter of the run.
METHODS = {PLAIN: {}, "eac": {"loss.eac": 5.0}, "scn": {"loss.scn": 1.0}, "rul": {"loss.rul": True}}


def configuration(method: str, noise: float, seed: int, args: argparse.Namespace) -> ConfigDict:
    """The recipe of one run."""
    config = get_config("toons")
    config.data.update(image_size=args.image_size, label_noise=noise, label_noise_seed=seed)
    config.augment.erase = 1.0
    config.train.update(epochs=args.epochs, seed=seed, log_every=100)
    config.loss.scn_relabel_epoch = max(args.epochs // 4, 1.0)
    config.update_from_flattened_dict(METHODS[method])
    return config


def measured(noise: float, args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every method with every seed; a row of the record for each method."""
    scores, runner = {}, Runner()
    for method in (PLAIN, *args.methods):
        scores[method] = [
            runner.run(
                configuration(method, noise, seed, args), workdir / f"{method}-noise{noise:g}-seed{seed}"
            )["test"]["accuracy"]
            for seed in range(args.seeds)
        ]
    rows = []
    for method, values in scores.items():
        row = {"noise": noise, "method": method, "epochs": args.epochs, "accuracy": values}
        if method != PLAIN:
            row["gain"] = significance.paired(scores[PLAIN], values)._asdict()
        rows.append(row)
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--noise",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[0.2, 0.3],
        help="parts of the labels, separated by commas",
    )
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS)[1:])
    parser.add_argument("--seeds", type=int, default=5, help="at least two, to be compared")
    parser.add_argument("--epochs", type=float, default=10.0)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--workdir", type=Path, help="where runs are kept; else they are removed")
    parser.add_argument("--json", default="benchmarks/results/label_noise.json")
    args = parser.parse_args()
    if unknown := set(args.methods) - set(METHODS):
        parser.error(f"no method {', '.join(unknown)}; there are {', '.join(list(METHODS)[1:])}")
    if args.seeds < 2:
        parser.error("--seeds must be at least 2: methods are compared seed by seed")
    process.prepare()
    keep_compiled()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for noise in args.noise for row in measured(noise, args, args.workdir or Path(folder))]
    print(f"\n{'noise':>6s} {'method':>8s} {'accuracy':>9s}   gain over plain, 95 %")
    for row in rows:
        mean = sum(row["accuracy"]) / len(row["accuracy"])
        line = f"{row['noise']:6.0%} {row['method']:>8s} {mean:9.2%}"
        if gain := row.get("gain"):
            low, high = gain["student"]
            line += f"   {gain['difference']:+.2%} ({low:+.2%} to {high:+.2%})"
        print(line)
    measure.record("label_noise", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
