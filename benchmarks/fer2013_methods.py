"""What SAM and EAC give on FER2013, and two networks of 2026 beside the small residual one.

    python -m benchmarks.fer2013_methods --data_dir=DIR [--only NAME,NAME] [--epochs 6]
                                         [--runs runs/fer2013_methods] [--json FILE]

DIR is that of `ferjax prepare fer2013`. The honest protocol: copies of validation and test leave train,
PublicTest chooses the step, PrivateTest is read once. All begin from scratch and train equally many epochs by
ferjax's own recipe for photographs, but for what their row says, and the transformer by that of its config.
SAM and EAC take two passes a step, so they take about twice the time; EAC erases a part of every image, so
erasing alone has a row too. Each is compared with the plain small network on the same test images. A run
that has ended in `--runs`/NAME is not repeated, one that was stopped goes on.

`--epochs 0.1 --only sam,eac` tries it.
"""

import subprocess
from pathlib import Path

from benchmarks import command_line, fer2013_recipes, measure
from ferjax.experiments import compare

PACKAGES = ("jax", "jaxlib", "flax", "optax")
PLAIN = "small_resnet"
# Name of the run → config and what it sets beside its recipe for photographs.
RUNS: dict[str, tuple[str, tuple[str, ...]]] = {
    PLAIN: ("small_resnet:fer2013", ()),
    "sam": ("small_resnet:fer2013", ("--config.optimizer.sam_rho=0.05",)),
    "erase": ("small_resnet:fer2013", ("--config.augment.erase=1",)),
    "eac": ("small_resnet:fer2013", ("--config.augment.erase=1", "--config.loss.eac=5")),
    "vit_tiny48": (
        "vit_tiny48:fer2013,model.width=128,model.heads=4,model.depth=4,model.initial=mae",
        ("--config.schedule.warmup_epochs=1",),
    ),
    "ddamfn": ("ddamfn:fer2013,recipe=strong,model.depth_multiplier=0.25", ()),
}


def command(name: str, epochs: float, runs: Path, data_dir: str) -> list[str]:
    """What a user types for this run."""
    config, flags = RUNS[name]
    return fer2013_recipes.training(config, flags, epochs, runs / name, data_dir)


def trained(name: str, epochs: float, runs: Path, data_dir: str) -> dict:
    """Trains a run, or goes on with it; a row of the record, with the difference to the plain one."""
    subprocess.run(command(name, epochs, runs, data_dir), check=True)
    told = command(name, epochs, Path("runs/fer2013_methods"), "built")
    row = fer2013_recipes.row(name, told, runs / name)
    if name != PLAIN:
        row["over_plain"] = compare.compare(runs / PLAIN, runs / name)["test"]._asdict()
    return row


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = [
        "| run | parameters | PrivateTest accuracy (95 % interval) | mean class accuracy "
        "| over the plain one, points | PublicTest | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = (f"{100 * end:.1f}" for end in row["interval"])
        over = ""
        if gain := row.get("over_plain"):
            ends = " to ".join(f"{100 * end:+.1f}" for end in gain["bootstrap"])
            over = f"{100 * gain['difference']:+.1f} ({ends})"
        lines.append(
            f"| `{row['run']}` | {row['parameters']:,} | {100 * row['accuracy']:.1f} % ({low}–{high}) "
            f"| {100 * row['mean_class_accuracy']:.1f} % | {over} | {100 * row['validation_accuracy']:.1f} % "
            f"| {round(row['seconds'] / 60)} min |"
        )
    return "\n".join(lines)


def main() -> None:
    """Trains what is not there yet, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="of the built set")
    parser.add_argument("--only", type=command_line.some_of(RUNS), default=[*RUNS])
    parser.add_argument("--epochs", type=float, default=6.0)
    parser.add_argument("--runs", default="runs/fer2013_methods", type=Path)
    parser.add_argument("--json", default="benchmarks/results/fer2013_methods.json")
    args = parser.parse_args()
    names = [name for name in RUNS if name == PLAIN or name in args.only]
    rows = [trained(name, args.epochs, args.runs, args.data_dir) for name in names]
    print(table(rows))
    measure.record("fer2013_methods", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
