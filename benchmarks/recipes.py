"""Trains every config in `configs/` on the embedded data as its header says, and makes a table of it.

    python -m benchmarks.recipes [--only NAME,NAME] [--runs runs] [--json FILE]

One run after the other, each by the command of a user, into `--runs`/NAME: some hours on two cores. A
run that has ended there is not repeated, one that was stopped goes on. The record keeps the rows of runs that
`--only` leaves out.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import command_line, measure
from ferjax.scores.confusion import accuracy_interval

PACKAGES = ("jax", "jaxlib", "flax", "optax")
# Name of the run → config and flags. A run stands after those whose weights it begins with.
RECIPES: dict[str, tuple[str, ...]] = {
    "resemotenet": ("resemotenet",),
    "fer_cnn": ("fer_cnn",),
    "small_resnet": ("small_resnet",),
    "attentional_cnn": ("attentional_cnn",),
    "sdl": ("sdl",),
    "resnet18": ("resnet18",),
    "resnet34": ("resnet34",),
    "resnet50": ("resnet50",),
    "se_resnet18": ("se_resnet18",),
    "se_resnet34": ("se_resnet34",),
    "se_resnet50": ("se_resnet50",),
    "efficientnet_b0": ("efficientnet_b0",),
    "efficientnet_b2": ("efficientnet_b2",),
    "vit_tiny48": ("vit_tiny48",),
    "vit_s16": ("vit_s16",),
    "vit_b16": ("vit_b16",),
    "convnext_tiny": ("convnext_tiny",),
    "emonext_tiny": ("emonext_tiny",),
    "dan": ("dan",),
    "mobilefacenet": ("mobilefacenet",),
    "ddamfn": ("ddamfn",),
    "ir50": ("ir50",),
    "poster_v2": ("poster_v2", "--config.init.from={runs}/ir50", "--config.init.into=ir_back"),
    "resmaskingnet": ("resmaskingnet",),
    "vgg16": ("vgg16",),
    "vgg19": ("vgg19",),
    "peeps": ("resnet18.py:toons/open_peeps",),
    "deep_cnn_transfer": ("deep_cnn_transfer", "--config.init.from={runs}/peeps"),
    "ran": ("ran", "--config.init.from={runs}/resnet18"),
    "facenet": ("facenet",),
    "facenet2expnet": ("facenet2expnet", "--config.init.from={runs}/facenet", "--config.init.into=face_net"),
    "ran_facenet2expnet": ("ran_facenet2expnet", "--config.init.from={runs}/facenet2expnet"),
    "affectnet_large_batch": ("affectnet_large_batch",),
    "affectnet_pretrain-toons": ("affectnet_pretrain",),
    "transfer_rafdb-toons": ("transfer_rafdb", "--config.init.from={runs}/affectnet_pretrain-toons"),
}


def command(name: str, runs: Path) -> list[str]:
    """What a user types for this run."""
    config, *flags = RECIPES[name]
    file, colon, argument = config.partition(":")
    file = file.removesuffix(".py") + ".py"
    return [
        *(sys.executable, "-m", "ferjax.main", f"--config=configs/{file}{colon}{argument}"),
        *(flag.format(runs=runs) for flag in flags),
        f"--workdir={runs / name}",
    ]


def scores(workdir: Path) -> dict:
    """What the `result.json` and `config.json` of an ended run tell."""
    result = json.loads((workdir / "result.json").read_text())
    config = json.loads((workdir / "config.json").read_text())
    return {
        "dataset": result["dataset"],
        "image_size": config["data"]["image_size"],
        "epochs": result["epochs"],
        "seed": result["seed"],
        "accuracy": result["test"]["accuracy"],
        "interval": accuracy_interval(np.array(result["test"]["confusion_matrix"])),
        "mean_class_accuracy": result["test"]["mean_class_accuracy"],
        "macro_f1": result["test"]["macro_f1"],
        "seconds": result["seconds"],
        "peak_memory_bytes": result["peak_memory_bytes"],
        "versions": result["versions"],
        "date": result["date"],
    }


def trained(name: str, runs: Path) -> dict:
    """Trains a run, or goes on with it; a row of the record.

    The command itself knows what has ended, and refuses a folder of another recipe.
    """
    subprocess.run(command(name, runs), check=True)
    told = " ".join(["python", *command(name, Path("runs"))[1:]])
    return {"run": name, "command": told, **scores(runs / name), "device": measure.device()}


def kept(path: Path, but: list[str]) -> list[dict]:
    """The rows of a record of earlier that are of other runs."""
    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    return [row for row in rows if row["run"] not in but]


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = [
        "| config | images | epochs | test accuracy (95 % interval) | mean class accuracy | time | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = (f"{100 * end:.1f}" for end in row["interval"])
        minutes, seconds = divmod(round(row["seconds"]), 60)
        lines.append(
            f"| `{row['run']}` | {row['image_size']}×{row['image_size']} | {round(row['epochs'], 1):g} | "
            f"{100 * row['accuracy']:.1f} % ({low}–{high}) | {100 * row['mean_class_accuracy']:.1f} % | "
            f"{minutes} min {seconds} s | {row['peak_memory_bytes'] / 2**30:.1f} GiB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Trains what is not there yet, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--only", type=command_line.some_of(RECIPES), default=[*RECIPES])
    parser.add_argument("--runs", default="runs", type=Path)
    parser.add_argument("--json", default="benchmarks/results/recipes.json", type=Path)
    args = parser.parse_args()
    rows = []
    for name in filter(args.only.__contains__, RECIPES):
        rows = sorted([*kept(args.json, [name]), trained(name, args.runs)], key=_place)
        measure.record("recipes", rows, PACKAGES, str(args.json))
    print(table(rows))


def _place(row: dict) -> int:
    return [*RECIPES].index(row["run"])


if __name__ == "__main__":
    main()
