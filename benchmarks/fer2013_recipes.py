"""Trains the papers' recipes on FER2013 by the honest protocol, each as long as is asked, and makes a table.

    python -m benchmarks.fer2013_recipes --data_dir=DIR [--only NAME,NAME] [--epochs NAME=N,NAME=N]
                                         [--runs runs/fer2013] [--json FILE]

DIR is that of `ferjax prepare fer2013`. Copies of validation and test leave train, PublicTest chooses the
step, PrivateTest is read once; what choosing on it would have given stands beside it. The papers train for
40 to 500 epochs; the lengths here are what a CPU does in an hour, so the table says how far a recipe comes by
then and not what it can reach. A run that has ended in `--runs`/NAME is not repeated, one that was stopped
goes on; another number of epochs wants another --runs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks import command_line, measure
from benchmarks.networks_table import CLAIMS
from benchmarks.recipes import scores

PACKAGES = ("jax", "jaxlib", "flax", "optax")
PROTOCOL = (
    "--config.data.drop_leaks=True",
    "--config.data.drop_validation_leaks=True",
    "--config.eval.also_best_on_test=True",
)
# Name of the config and of its run → epochs and flags.
RECIPES: dict[str, tuple[float, tuple[str, ...]]] = {
    "attentional_cnn": (20, ()),
    "fer_cnn": (10, ()),
    "sdl": (6, ()),
    # The recipe crops 224 out of 256; photographs of 48×48 hold no more than this.
    "se_resnet18": (
        5,
        ("--config.data.image_size=48", "--config.data.source_size=54", "--config.eval.batch_size=256"),
    ),
    "resemotenet": (3, ()),
}


def command(name: str, epochs: float, runs: Path, data_dir: str) -> list[str]:
    """What a user types for this run."""
    return training(f"{name}:fer2013", (*PROTOCOL, *RECIPES[name][1]), epochs, runs / name, data_dir)


def training(config: str, flags: Iterable[str], epochs: float, workdir: Path, data_dir: str) -> list[str]:
    """The command that trains a config with flags for so long."""
    return [
        *(sys.executable, "-m", "ferjax", "train", f"--config={config}"),
        f"--config.data.dir={data_dir}",
        f"--config.train.epochs={epochs:g}",
        *flags,
        f"--workdir={workdir}",
    ]


def trained(name: str, epochs: float, runs: Path, data_dir: str) -> dict:
    """Trains a run, or goes on with it; a row of the record."""
    subprocess.run(command(name, epochs, runs, data_dir), check=True)
    return row(name, command(name, epochs, Path("runs/fer2013"), "built"), runs / name)


def row(name: str, told: list[str], workdir: Path) -> dict:
    """The row of an ended run, with the command that is told to others."""
    result = json.loads((workdir / "result.json").read_text())
    return {
        "run": name,
        "command": " ".join(["python", *told[1:]]),
        **scores(workdir),
        "validation_accuracy": result["validation"]["accuracy"],
        "best_on_test": result["best_on_test"]["accuracy"],
        "parameters": result["parameters"],
        "machine": result["machine"],
    }


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = [
        "| config | epochs | PrivateTest accuracy (95 % interval) | mean class accuracy | PublicTest "
        "| best on PrivateTest, the habit | claimed, % | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = (f"{100 * end:.1f}" for end in row["interval"])
        claim = CLAIMS.get(row["run"], "")
        lines.append(
            f"| `{row['run']}` | {round(row['epochs'], 1):g} | {row['accuracy']:.1%} ({low}–{high}) "
            f"| {row['mean_class_accuracy']:.1%} | {row['validation_accuracy']:.1%} "
            f"| {row['best_on_test']:.1%} | {claim} | {round(row['seconds'] / 60)} min |".replace("%", " %")
        )
    return "\n".join(lines)


def lengths(text: str) -> dict[str, float]:
    """`NAME=EPOCHS,…` as a mapping; a run that is not named keeps its length."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, epochs = part.partition("=")
        if name not in RECIPES:
            raise argparse.ArgumentTypeError(f"no run {name}; there are {', '.join(RECIPES)}")
        try:
            found[name] = float(epochs)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part}: write NAME=EPOCHS") from None
    return found


def main() -> None:
    """Trains what is not there yet, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="of the built set")
    parser.add_argument("--only", type=command_line.some_of(RECIPES), default=[*RECIPES])
    parser.add_argument("--epochs", type=lengths, default={}, help="NAME=N,… instead of the lengths above")
    parser.add_argument("--runs", default="runs/fer2013", type=Path)
    parser.add_argument("--json", default="benchmarks/results/fer2013_recipes.json")
    args = parser.parse_args()
    rows = [
        trained(name, args.epochs.get(name, RECIPES[name][0]), args.runs, args.data_dir)
        for name in RECIPES
        if name in args.only
    ]
    print(table(rows))
    measure.record("fer2013_recipes", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
