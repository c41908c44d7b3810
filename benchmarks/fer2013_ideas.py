"""What each part of ferjax's recipe for photographs gives on FER2013, one change at a time, on validation.

    python -m benchmarks.fer2013_ideas --data_dir=DIR [--only NAME,NAME] [--epochs 8] [--seeds 1]
                                       [--workdir runs/fer2013_ideas] [--json FILE]

DIR is that of `ferjax prepare fer2013`. The small residual network is trained by its recipe for photographs,
cut to --epochs, and with each change below; copies of validation and test leave train. Trials are those of
`ferjax tune`: judged on PublicTest, and PrivateTest is never opened. Started again it goes on. The interval
is Wilson's of the images; two rows are nearer than that suggests, for they are asked about the same images.

`--epochs 0.1 --only adamw,mixup` tries it.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from benchmarks import command_line, measure
from configs.small_resnet import get_config
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled
from ferjax.scores.confusion import accuracy_interval
from ferjax.training.splits import load_split
from ferjax.tune.search import Proposal
from ferjax.tune.trial import TrialRunner

PACKAGES = ("jax", "jaxlib", "flax", "optax")
RECIPE = "recipe"
# Name → what it changes of the recipe.
IDEAS: dict[str, dict[str, Any]] = {
    RECIPE: {},
    "whole_images": {"data.image_size": 48, "data.source_size": 0},
    "no_flip": {"augment.flip": False},
    "no_rotation": {"augment.rotate": 0.0, "augment.scale": 0.0},
    "no_colour": {"augment.brightness": 0.0, "augment.contrast": 0.0},
    "no_erasing": {"augment.erase": 0.0},
    "mixup": {"augment.mixup": 0.2},
    "no_smoothing": {"loss.label_smoothing": 0.0},
    "class_weights": {"loss.class_weights": "effective"},
    "no_average": {"optimizer.ema_decay": 0.0},
    "adamw": {"optimizer.name": "adamw", "optimizer.weight_decay": 0.05, "schedule.learning_rate": 2e-3},
    "sam": {"optimizer.sam_rho": 0.05},
    "one_view": {"eval.crops": "none"},
}


def configuration(data_dir: str, epochs: float) -> ConfigDict:
    """The recipe itself, cut to a length."""
    config = get_config("fer2013")
    config.data.dir = data_dir
    config.train.epochs = epochs
    return config


def measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Trains with one change, or goes on with it; a row of the record."""
    config = configuration(args.data_dir, args.epochs)
    runner = TrialRunner(config, (), args.workdir / name, args.seeds)
    accuracy, seconds = runner(Proposal(0, IDEAS[name], lambda *_: None))
    row = {"idea": name, "changes": IDEAS[name], "epochs": args.epochs, "seeds": args.seeds}
    return row | {"accuracy": accuracy, "seconds": seconds}


def table(rows: list[dict[str, Any]], images: int) -> str:
    """The rows in Markdown, the best first.

    Args:
        rows: with the recipe's own.
        images: of validation.
    """
    (plain,) = [row["accuracy"] for row in rows if row["idea"] == RECIPE]
    lines = ["| | PublicTest | over the recipe, points | time |", "|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -row["accuracy"]):
        right = round(row["accuracy"] * images)
        found = accuracy_interval(np.array([[right, images - right], [0, 0]]))
        low, high = (f"{100 * end:.1f}" for end in found)
        lines.append(
            f"| {row['idea'].replace('_', ' ')} | {100 * row['accuracy']:.1f} % ({low}–{high}) "
            f"| {100 * (row['accuracy'] - plain):+.1f} | {round(row['seconds'] / 60)} min |"
        )
    return "\n".join(lines)


def main() -> None:
    """Trains what is not there yet, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="of the built set")
    parser.add_argument("--only", type=command_line.some_of(IDEAS), default=[*IDEAS])
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workdir", type=Path, default=Path("runs/fer2013_ideas"))
    parser.add_argument("--json", default="benchmarks/results/fer2013_ideas.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    rows = [measured(name, args) for name in IDEAS if name == RECIPE or name in args.only]
    images = len(load_split(configuration(args.data_dir, args.epochs), "validation", cache="stream"))
    print(table(rows, images))
    measure.record("fer2013_ideas", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
