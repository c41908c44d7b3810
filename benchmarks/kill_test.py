"""Kills a run again and again at random moments, then compares its end with that of one never disturbed.

    python -m benchmarks.kill_test [--kills 50] [--seed 0] [--json FILE]

The tiny network of the tests. Each start is killed (SIGKILL) a random time after its first step: in a step,
in a validation, while a checkpoint is written. Exits with 1 if anything beyond the last checkpoint is lost or
one bit of the final state, of the metrics or of the result differs.
"""

import contextlib
import io
import json
import random
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import tiny  # of the tests

from benchmarks import command_line, measure
from ferjax.data import builders

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")
# Long enough that fifty starts do not get to the end.
FLAGS = ("--config.train.epochs=120", "--config.eval.every_epochs=2")


def newest(workdir: Path) -> int:
    """The step of the newest whole checkpoint."""
    return max(
        (int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdigit()), default=0
    )


def killed(run: tiny.Tiny, workdir: Path, seconds: float) -> dict:
    """Starts the run and kills it some time after its first step."""
    before = newest(workdir)
    with run.start(workdir, *FLAGS) as command:
        if not command.reaches(1):
            command.finish()
            return {"ended": True, "resumed": before, "newest": newest(workdir)}
        timer = threading.Timer(seconds, command.process.kill)
        timer.start()
        command.finish()
        timer.cancel()
    resumed = [line for line in command.lines if "going on from step" in line]
    step = int(resumed[0].rpartition(" ")[2].replace(",", "")) if resumed else 0
    return {
        "ended": command.process.returncode == 0,
        "expected": before,
        "resumed": step,
        "newest": newest(workdir),
    }


def main() -> None:
    """Kills, compares, and writes what was found."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", default="benchmarks/results/kills.json")
    args = parser.parse_args()
    generator, rows = random.Random(args.seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny.write_csv(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
        run = tiny.Tiny(folder / "data", folder / "compiled")
        whole, broken = folder / "whole", folder / "broken"
        run.run(whole, *FLAGS)
        for number in range(args.kills):
            rows.append(killed(run, broken, generator.uniform(0, 1.5)))
            print(f"kill {number + 1}: {json.dumps(rows[-1])}", flush=True)
            if rows[-1]["ended"]:
                break
        run.run(broken, *FLAGS)
        (state, meta), (expected, expected_meta) = tiny.newest(broken), tiny.newest(whole)
        tiny.assert_same(state, expected)
        tiny.assert_once(broken)
        same = {
            "best step": meta["best_step"] == expected_meta["best_step"],
            "result": tiny.result(broken) == tiny.result(whole),
            "metrics": tiny.steady(tiny.rows(broken)) == tiny.steady(tiny.rows(whole)),
            # Each start goes on from the newest whole checkpoint that the one before left.
            "resumed": all(row["resumed"] == row["expected"] for row in rows if not row["ended"]),
        }
    print(same)
    rows.append({"kills": sum(not row["ended"] for row in rows), "bit-identical": True, **same})
    measure.record("kills", rows, PACKAGES, args.json)
    sys.exit(0 if all(same.values()) else 1)


if __name__ == "__main__":
    main()
