"""What masked auto-encoding gives where few labels are known: the embedded toons, 140 images with labels.

    python -m benchmarks.mae_toons [--seeds 5] [--pretraining_epochs 200] [--epochs 60] [--fraction 0.1]
                                   [--pretrain_on toons/open_peeps] [--image_size 48] [--workdir DIR]
                                   [--json FILE]

For each seed `vit_tiny48` is pre-trained on all training images of a set without their labels; then a tenth
of the training images of `open_peeps` with their labels trains it further (`fine-tuned`), trains a linear
classifier on what it learnt (`probed`), and trains the same network from random weights (`scratch`), with the
same seed, images and number of steps. They are compared with `scratch` seed by seed. Started again with the
same --workdir it goes on.

`--seeds 2 --pretraining_epochs 0.05 --epochs 0.2 --image_size 12` tries it.
"""

import argparse
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import seed_comparison
from configs import mae_vit_tiny48, vit_tiny48
from ferjax.experiments.runs import Runner, with_seed
from ferjax.training.loop import train_and_evaluate

LABELLED = "toons/open_peeps"
SCRATCH = "scratch"
# What is trained with labels → the recipe behind the colon, and whether it begins pre-trained.
WAYS = {SCRATCH: ("", False), "fine-tuned": ("", True), "probed": (",recipe=probe", True)}


def pretraining(args: argparse.Namespace) -> ConfigDict:
    """The recipe of the run without labels."""
    config = mae_vit_tiny48.get_config(args.pretrain_on)
    config.data.image_size = args.image_size
    config.train.update(epochs=args.pretraining_epochs, log_every=100)
    config.schedule.warmup_epochs = args.pretraining_epochs / 25
    config.eval.every_epochs = max(args.pretraining_epochs / 10, 0.01)
    return config


def with_labels(way: str, source: Path, args: argparse.Namespace) -> ConfigDict:
    """The recipe of a run with few labels."""
    recipe, begins_with_source = WAYS[way]
    config = vit_tiny48.get_config(f"{LABELLED}{recipe}")
    config.data.update(image_size=args.image_size, train_fraction=args.fraction)
    config.augment.flip = True
    config.train.update(batch_size=32, epochs=args.epochs, log_every=100)
    config.schedule.warmup_epochs = 0.0
    config.eval.every_epochs = max(args.epochs / 10, 0.01)
    if begins_with_source:
        config.init["from"] = str(source)
    return config


def measured(args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every seed; a row of the record for each way."""
    seeds = range(args.seeds)
    sources, losses = [], []
    for seed in seeds:
        sources.append(workdir / f"mae-seed{seed}")
        losses.append(train_and_evaluate(with_seed(pretraining(args), seed), sources[-1])["test"]["loss"])
    scores: dict[str, list[float]] = {}
    for way in WAYS:
        runner = Runner()
        configs = [with_seed(with_labels(way, sources[seed], args), seed) for seed in seeds]
        results = [runner.run(configs[seed], workdir / f"{way}-seed{seed}") for seed in seeds]
        scores[way] = [result["test"]["accuracy"] for result in results]
    rows = []
    for way, values in scores.items():
        row = {"way": way, "epochs": args.epochs, "fraction": args.fraction, "image_size": args.image_size}
        row["accuracy"] = values
        if way != SCRATCH:
            row |= {"pretrained_on": args.pretrain_on, "pretraining_epochs": args.pretraining_epochs}
            row |= {"pretraining_loss": losses}
        rows.append(row | seed_comparison.gain(scores, SCRATCH, way))
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = seed_comparison.parser(__doc__, "mae_toons")
    parser.add_argument("--pretraining_epochs", type=float, default=200.0)
    parser.add_argument("--epochs", type=float, default=60.0, help="with labels")
    parser.add_argument("--fraction", type=float, default=0.1, help="part of the training images with labels")
    parser.add_argument("--pretrain_on", default=LABELLED, help="the set whose labels are not looked at")
    parser.add_argument("--image_size", type=int, default=48)
    args = parser.parse_args()
    with seed_comparison.prepared(args) as folder:
        rows = measured(args, folder)
    seed_comparison.report("mae_toons", rows, "way", SCRATCH, args.json)


if __name__ == "__main__":
    main()
