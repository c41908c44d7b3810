"""What pre-training without labels gives a network that is then trained with them, against the same without.

    python -m benchmarks.pretraining_gain [--method mae] [--seeds 5] [--pretraining_epochs 200] [--epochs 60]
                                  [--fraction 0.1] [--labelled toons/open_peeps]
                                  [--pretrain_on toons/open_peeps] [--pretrainings 5]
                                  [--pretraining_batch 64] [--batch 32] [--image_size 48] [--data_dir DIR]
                                  [--workdir DIR] [--json FILE]
    python -m benchmarks.pretraining_gain --labelled fer2013 --pretrain_on fer2013 --data_dir BUILT \\
        --seeds 3 --pretrainings 1 --pretraining_epochs 10 --epochs 6 \\
        --json benchmarks/results/pretraining_gain_fer2013.json

For each seed a network, `vit_tiny48` by masked auto-encoding (`--method mae`) or `small_resnet` by
contrastive learning (`--method simclr`), is pre-trained on all training images of a set without their labels.
Then training images of a set with their labels, by default a tenth of those of `open_peeps`, train it further
(`fine-tuned`), train a linear classifier on what it learnt (`probed`, of the first alone), and train the same
network from random weights (`scratch`), with the same seed, images and number of steps. They are compared
with `scratch` seed by seed, on test, which chooses nothing. Started again with the same --workdir it goes on;
`--ways scratch` in a process of its own, with the same --workdir, trains those meanwhile.

`--seeds 2 --pretraining_epochs 0.05 --epochs 0.2 --image_size 16` tries it.
"""

import argparse
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import seed_comparison
from configs import mae_vit_tiny48, simclr_small_resnet, small_resnet, vit_tiny48
from ferjax.experiments.runs import Runner, with_seed
from ferjax.training.loop import train_and_evaluate

OPEN_PEEPS = "toons/open_peeps"
SCRATCH = "scratch"
# Method → its recipe, and that of the same network with labels.
METHODS = {"mae": (mae_vit_tiny48, vit_tiny48), "simclr": (simclr_small_resnet, small_resnet)}
PROBED = "probed"
# What is trained with labels → the recipe behind the colon, and whether it begins pre-trained.
WAYS = {SCRATCH: ("", False), "fine-tuned": ("", True), PROBED: (",recipe=probe", True)}


def pretraining(args: argparse.Namespace) -> ConfigDict:
    """The recipe of the run without labels."""
    config = METHODS[args.method][0].get_config(args.pretrain_on)
    config.data.update(dir=args.data_dir, image_size=args.image_size)
    config.train.update(epochs=args.pretraining_epochs, batch_size=args.pretraining_batch, log_every=100)
    config.schedule.base_batch = args.pretraining_batch  # the learning rate is the recipe's
    config.schedule.warmup_epochs = args.pretraining_epochs / 25
    config.eval.every_epochs = max(args.pretraining_epochs / 10, 0.01)
    return config


def with_labels(way: str, source: Path | None, args: argparse.Namespace) -> ConfigDict:
    """The recipe of a run with labels."""
    recipe, begins_with_source = WAYS[way]
    config = METHODS[args.method][1].get_config(f"{args.labelled}{recipe}")
    config.data.update(dir=args.data_dir, image_size=args.image_size, source_size=0)
    config.data.train_fraction = args.fraction
    config.train.update(epochs=args.epochs, batch_size=args.batch, log_every=100)
    if args.labelled.startswith("toons"):
        config.augment.flip = True
        config.schedule.warmup_epochs = 0.0
        config.eval.every_epochs = max(args.epochs / 10, 0.01)
    else:
        # The recipe's rate is for its batch; an average of the weights wants its many epochs.
        config.schedule.update(scale_rate="linear", base_batch=128, warmup_epochs=args.epochs / 16)
        config.optimizer.ema_decay = 0.0
        config.eval.every_epochs = max(args.epochs / 3, 0.01)
    if begins_with_source:
        config.init["from"] = str(source)
    return config


def measured(args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every seed; a row of the record for each way."""
    seeds, pretrainings = range(args.seeds), min(args.pretrainings or args.seeds, args.seeds)
    sources, losses = [], []
    for seed in range(pretrainings if args.ways != [SCRATCH] else 0):
        sources.append(workdir / f"{args.method}-seed{seed}")
        losses.append(train_and_evaluate(with_seed(pretraining(args), seed), sources[-1])["test"]["loss"])
    scores: dict[str, list[float]] = {}
    means: dict[str, list[float]] = {}
    for way in args.ways:
        runner = Runner()
        source = [sources[seed % pretrainings] if sources else None for seed in seeds]
        configs = [with_seed(with_labels(way, source[seed], args), seed) for seed in seeds]
        results = [runner.run(configs[seed], workdir / f"{way}-seed{seed}") for seed in seeds]
        scores[way] = [result["test"]["accuracy"] for result in results]
        means[way] = [result["test"]["mean_class_accuracy"] for result in results]
    rows = []
    for way, values in scores.items():
        row = {"method": args.method, "way": way, "epochs": args.epochs, "batch": args.batch}
        row |= {"fraction": args.fraction, "image_size": args.image_size}
        row |= {"trained_on": args.labelled, "accuracy": values, "mean_class_accuracy": means[way]}
        if way != SCRATCH:
            row |= {"pretrained_on": args.pretrain_on, "pretraining_epochs": args.pretraining_epochs}
            row["pretraining_batch"] = args.pretraining_batch
            row |= {"pretraining_loss": losses}
        # A network that only finds the most frequent class has an accuracy, too.
        by_class = seed_comparison.gain(means, SCRATCH, way)
        row |= {f"mean_class_{name}": value for name, value in by_class.items()}
        rows.append(row | seed_comparison.gain(scores, SCRATCH, way))
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = seed_comparison.parser(__doc__, "pretraining_gain")
    parser.add_argument("--method", default="mae", choices=METHODS)
    parser.add_argument("--pretraining_epochs", type=float, default=200.0)
    parser.add_argument("--pretrainings", type=int, help="that the seeds share; as many as seeds by default")
    parser.add_argument("--epochs", type=float, default=60.0, help="with labels")
    parser.add_argument("--fraction", type=float, default=0.1, help="part of the training images with labels")
    parser.add_argument("--labelled", default=OPEN_PEEPS, help="the set whose labels are learnt")
    parser.add_argument("--pretrain_on", default=OPEN_PEEPS, help="the set whose labels are not looked at")
    parser.add_argument("--pretraining_batch", type=int, default=64, help="images a step without labels")
    parser.add_argument("--batch", type=int, default=32, help="images a step with labels")
    parser.add_argument("--ways", nargs="+", default=[SCRATCH, "fine-tuned"], choices=WAYS)
    parser.add_argument("--image_size", type=int, default=48)
    parser.add_argument("--data_dir", default="", help="of built sets")
    args = parser.parse_args()
    if args.ways[0] != SCRATCH:
        parser.error(f"--ways begins with {SCRATCH}, with which the others are compared")
    if PROBED in args.ways and args.method != "mae":
        parser.error(f"small_resnet has no recipe of a probe: leave {PROBED} out of --ways")
    with seed_comparison.prepared(args) as folder:
        rows = measured(args, folder / args.method)  # the ways of both have the same names
    seed_comparison.report("pretraining_gain", rows, "way", SCRATCH, args.json)


if __name__ == "__main__":
    main()
