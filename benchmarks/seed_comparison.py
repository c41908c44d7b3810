"""Ways to train compared seed by seed with a plain one: the arguments, the gains and the table."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import command_line, measure
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled
from ferjax.scores import significance

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def parser(description: str | None, name: str) -> argparse.ArgumentParser:
    """A parser with --seeds, --workdir and --json, for the benchmark of a name."""
    made = command_line.parser(description)
    made.add_argument("--seeds", type=_seeds, default=5, help="at least two, to be compared")
    made.add_argument("--workdir", type=Path, help="where runs are kept; else they are removed")
    made.add_argument("--json", default=f"benchmarks/results/{name}.json")
    return made


def _seeds(text: str) -> int:
    if (seeds := int(text)) < 2:
        raise argparse.ArgumentTypeError("must be at least 2: they are compared seed by seed")
    return seeds


@contextlib.contextmanager
def prepared(args: argparse.Namespace) -> Iterator[Path]:
    """Prepares the process; yields the folder of the runs."""
    process.prepare()
    keep_compiled()
    with tempfile.TemporaryDirectory() as folder:
        yield args.workdir or Path(folder)


def gain(scores: Mapping[str, list[float]], plain: str, way: str) -> dict[str, dict]:
    """The `gain` over the plain way, with its interval, for a row of another way; empty for the plain one."""
    return {} if way == plain else {"gain": significance.paired(scores[plain], scores[way])._asdict()}


def report(name: str, rows: list[dict], column: str, plain: str, file: str) -> None:
    """Prints a line a row, and records the rows.

    Args:
        name: of the benchmark.
        rows: with `accuracy`, one a seed, what stands in `column`, and maybe `noise` and `gain`.
        column: the key whose values are compared.
        plain: its value that the others are compared with.
        file: to write to.
    """
    noisy = any("noise" in row for row in rows)
    print(f"\n{'noise ' if noisy else ''}{column:>12s} {'accuracy':>9s}   gain over {plain}, 95 %")
    for row in rows:
        noise = f"{row['noise']:5.0%} " if noisy else ""
        line = f"{noise}{row[column]:>12s} {sum(row['accuracy']) / len(row['accuracy']):9.2%}"
        if found := row.get("gain"):
            low, high = found["student"]
            line += f"   {found['difference']:+.2%} ({low:+.2%} to {high:+.2%})"
        print(line)
    measure.record(name, rows, PACKAGES, file)
