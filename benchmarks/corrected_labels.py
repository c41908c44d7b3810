"""What training labels that a network corrected give, on test labels as they are published.

    python -m benchmarks.corrected_labels FOLDER --recipe fer_cnn:fer2013,train.epochs=3 [--data_dir DIR]
        [--seeds 3] [--shares 0.5,1] [--workdir DIR] [--json FILE]

FOLDER is that of `ferjax labels --split=train` for the same set, whose networks have not learnt from test;
its `relabel.csv` lists suspects and, of each, the class that is suggested. The recipe is trained with the
labels as they are, and with the suggestions in place of the labels of the suspects of train, those that are
surest first: half of them and all. Validation and test keep their labels. Each is compared with the labels as
they are, seed by seed. Nobody looked at a picture: people who relabel do better. Started again with the same
--workdir it goes on.
"""

import argparse
import csv
import importlib
import io
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import command_line, seed_comparison
from ferjax.data.relabel_file import NEW
from ferjax.experiments.runs import Runner, with_seed
from ferjax.files import write_atomic
from ferjax.labels.whole_set import open_set

GIVEN = "as given"


def recipe(text: str, data_dir: str) -> ConfigDict:
    """The config of `RECIPE[:DATASET[,key=value…]]`, without images of the scored splits in train."""
    name, _, argument = text.partition(":")
    config = importlib.import_module(f"configs.{name}").get_config(argument)
    config.data.update(dir=data_dir, drop_leaks=True, drop_validation_leaks=True)
    return config


def suspects_of_train(folder: Path, config: ConfigDict) -> list[dict[str, str]]:
    """The rows of the list whose examples are in train, the surest first."""
    whole = open_set(config, 0)
    train = {key for key, split in zip(whole.keys, whole.splits, strict=True) if split == "train"}
    with (folder / "relabel.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row[whole.key] in train and row["suggestion"]]


def write_corrected(rows: list[dict[str, str]], path: Path) -> Path:
    """Writes a relabel file in which the suggestions are the new labels."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, NEW: row["suggestion"]} for row in rows)
    write_atomic(path, text.getvalue().encode())
    return path


def measured(args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every seed; a row of the record for each choice of labels."""
    plain = recipe(args.recipe, args.data_dir)
    suspects = suspects_of_train(args.folder, plain)
    choices = {GIVEN: (plain, 0)}
    workdir.mkdir(parents=True, exist_ok=True)
    for share in args.shares:
        config = plain.copy_and_resolve_references()
        some = suspects[: round(share * len(suspects))]
        config.data.relabel = str(write_corrected(some, workdir / f"corrected-{share:g}.csv"))
        choices[f"{share:.0%}"] = config, len(some)
    scores = {}
    for name, (config, _) in choices.items():
        runner = Runner()
        scores[name] = [
            runner.run(with_seed(config, seed), workdir / f"{name.replace(' ', '-')}-seed{seed}")["test"]
            for seed in range(args.seeds)
        ]
    accuracies = {name: [test["accuracy"] for test in tests] for name, tests in scores.items()}
    return [
        {
            "labels": name,
            "recipe": args.recipe,
            "corrected": count,
            "accuracy": accuracies[name],
            "mean_class_accuracy": [test["mean_class_accuracy"] for test in scores[name]],
            **seed_comparison.gain(accuracies, GIVEN, name),
        }
        for name, (_, count) in choices.items()
    ]


def main() -> None:
    """Measures and prints a table."""
    parser = seed_comparison.parser(__doc__, "corrected_labels")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data_dir", default="", help="of built sets")
    parser.add_argument(
        "--shares", type=command_line.several(float), default=[0.5, 1.0],
        help="of the suspects of train whose labels are corrected",
    )  # fmt: skip
    args = parser.parse_args()
    with seed_comparison.prepared(args) as folder:
        rows = measured(args, folder)
    seed_comparison.report("corrected_labels", rows, "labels", GIVEN, args.json)


if __name__ == "__main__":
    main()
