"""What masked auto-encoding gives a network that is then trained with labels, against the same without.

    python -m benchmarks.mae_gain [--seeds 5] [--pretraining_epochs 200] [--epochs 60] [--fraction 0.1]
                                  [--labelled toons/open_peeps] [--pretrain_on toons/open_peeps]
                                  [--pretrainings 5] [--image_size 48] [--data_dir DIR] [--workdir DIR]
                                  [--json FILE]
    python -m benchmarks.mae_gain --labelled fer2013 --pretrain_on fer2013 --fraction 1 --seeds 3 \\
        --pretraining_epochs 8 --epochs 3 --data_dir BUILT --json benchmarks/results/mae_fer2013.json

For each seed `vit_tiny48` is pre-trained on all training images of a set without their labels; then training
images of a set with their labels, by default a tenth of those of `open_peeps`, train it further
(`fine-tuned`), train a linear classifier on what it learnt (`probed`), and train the same network from random
weights (`scratch`), with the same seed, images and number of steps. They are compared with `scratch` seed by
seed, on test, which chooses nothing. Started again with the same --workdir it goes on.

`--seeds 2 --pretraining_epochs 0.05 --epochs 0.2 --image_size 12` tries it.
"""

import argparse
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import seed_comparison
from configs import mae_vit_tiny48, vit_tiny48
from ferjax.experiments.runs import Runner, with_seed
from ferjax.training.loop import train_and_evaluate

OPEN_PEEPS = "toons/open_peeps"
SCRATCH = "scratch"
# What is trained with labels → the recipe behind the colon, and whether it begins pre-trained.
WAYS = {SCRATCH: ("", False), "fine-tuned": ("", True), "probed": (",recipe=probe", True)}


def pretraining(args: argparse.Namespace) -> ConfigDict:
    """The recipe of the run without labels."""
    config = mae_vit_tiny48.get_config(args.pretrain_on)
    config.data.update(dir=args.data_dir, image_size=args.image_size)
    config.train.update(epochs=args.pretraining_epochs, log_every=100)
    config.schedule.warmup_epochs = args.pretraining_epochs / 25
    config.eval.every_epochs = max(args.pretraining_epochs / 10, 0.01)
    return config


def with_labels(way: str, source: Path, args: argparse.Namespace) -> ConfigDict:
    """The recipe of a run with labels."""
    recipe, begins_with_source = WAYS[way]
    config = vit_tiny48.get_config(f"{args.labelled}{recipe}")
    config.data.update(dir=args.data_dir, image_size=args.image_size, train_fraction=args.fraction)
    config.train.update(epochs=args.epochs, log_every=100)
    config.eval.every_epochs = max(args.epochs / 10, 0.01)
    if args.labelled.startswith("toons"):  # few images
        config.augment.flip = True
        config.train.batch_size = 32
        config.schedule.warmup_epochs = 0.0
    else:
        config.schedule.warmup_epochs = args.epochs / 16  # as in the recipe's 80 epochs
        config.eval.every_epochs = args.epochs / 3
    if begins_with_source:
        config.init["from"] = str(source)
    return config


def measured(args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every seed; a row of the record for each way."""
    seeds, pretrainings = range(args.seeds), min(args.pretrainings or args.seeds, args.seeds)
    sources, losses = [], []
    for seed in range(pretrainings):
        sources.append(workdir / f"mae-seed{seed}")
        losses.append(train_and_evaluate(with_seed(pretraining(args), seed), sources[-1])["test"]["loss"])
    scores: dict[str, list[float]] = {}
    for way in args.ways:
        runner = Runner()
        configs = [with_seed(with_labels(way, sources[seed % pretrainings], args), seed) for seed in seeds]
        results = [runner.run(configs[seed], workdir / f"{way}-seed{seed}") for seed in seeds]
        scores[way] = [result["test"]["accuracy"] for result in results]
    rows = []
    for way, values in scores.items():
        row = {"way": way, "epochs": args.epochs, "fraction": args.fraction, "image_size": args.image_size}
        row |= {"trained_on": args.labelled, "accuracy": values}
        if way != SCRATCH:
            row |= {"pretrained_on": args.pretrain_on, "pretraining_epochs": args.pretraining_epochs}
            row |= {"pretraining_loss": losses}
        rows.append(row | seed_comparison.gain(scores, SCRATCH, way))
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = seed_comparison.parser(__doc__, "mae_toons")
    parser.add_argument("--pretraining_epochs", type=float, default=200.0)
    parser.add_argument("--pretrainings", type=int, help="that the seeds share; as many as seeds by default")
    parser.add_argument("--epochs", type=float, default=60.0, help="with labels")
    parser.add_argument("--fraction", type=float, default=0.1, help="part of the training images with labels")
    parser.add_argument("--labelled", default=OPEN_PEEPS, help="the set whose labels are learnt")
    parser.add_argument("--pretrain_on", default=OPEN_PEEPS, help="the set whose labels are not looked at")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--image_size", type=int, default=48)
    parser.add_argument("--data_dir", default="", help="of built sets")
    args = parser.parse_args()
    if args.ways[0] != SCRATCH:
        parser.error(f"--ways begins with {SCRATCH}, with which the others are compared")
    with seed_comparison.prepared(args) as folder:
        rows = measured(args, folder)
    seed_comparison.report("mae_gain", rows, "way", SCRATCH, args.json)


if __name__ == "__main__":
    main()
