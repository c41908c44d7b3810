"""Kills a run again and again at random moments, then compares its end with that of one never disturbed.

    python -m benchmarks.kill_test [--kills 50] [--seed 0] [--json FILE]
    python -m benchmarks.kill_test --store --kills 100 [--json benchmarks/results/kills_store.json]

The tiny network of the tests. Each start is killed (SIGKILL) a random time after its first step: in a step,
in a validation, while a checkpoint is written or stored. With `--store` data set and workdir lie on an S3
server on the loopback interface; each start is on one of three machines, which have folders of copies of
their own, and every third request of a start fails until some have (503, a reset, half an answer).

Exits with 1 if a start goes on from before what was saved, or one bit of the final state, of the metrics or
of the result differs.
"""

import contextlib
import io
import json
import os
import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import tiny  # of the tests
from fork_server import Forked, ForkServer
from object_store import BUCKET, ObjectStore, first

from benchmarks import command_line, measure
from ferjax.data import builders

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "s3fs")
LONGEST_WAIT = 1.5  # seconds from the first step of a start to its end
FAULTS = 5  # of a start, at most: a request is tried six times


class Place(Protocol):
    """Where the run that is killed has its files."""

    def start(self, *flags: str) -> tiny.Command:
        """Starts the command."""

    def workdir(self) -> Path:
        """The run's folder on the disk."""


class Disk:
    """A folder."""

    def __init__(self, run: tiny.Tiny, folder: Path) -> None:
        self._run, self._workdir = run, folder / "broken"

    def start(self, *flags: str) -> tiny.Command:
        """Starts the command."""
        return self._run.start(self._workdir, *flags)

    def workdir(self) -> Path:
        """The folder."""
        return self._workdir


class Bucket:
    """An S3 server that fails now and then, asked from three machines."""

    def __init__(self, run: tiny.Tiny, folder: Path, store: ObjectStore, generator: random.Random) -> None:
        self._server, self._folder, self._store, self._generator = run.server, folder, store, generator
        for path in run.data.rglob("*"):
            if path.is_file():
                store.put(f"sets/{path.relative_to(run.data).as_posix()}", path.read_bytes())

    def start(self, *flags: str) -> tiny.Command:
        """Starts the command on one of the machines."""
        machine = self._folder / f"machine-{self._generator.randrange(3)}"
        happens = self._generator.choice(["503", "reset", "cut"])
        faults = first(FAULTS, happens, "GET" if happens == "cut" else "GET PUT DELETE")
        self._store.fault = lambda method, key: (
            (len(self._store.requests) % 3 == 0 and faults(method, key)) or None
        )
        places = (f"s3://{BUCKET}/sets", f"s3://{BUCKET}/runs/a")
        environment = {**self._store.environment, "FERJAX_STORAGE_DIR": str(machine)}
        return tiny.Command(Forked(self._server, tiny.train_arguments(*places, *flags), **environment))

    def workdir(self) -> Path:
        """A copy of what the server has."""
        self._store.fault = None
        fetched = self._folder / "fetched"
        for name in self._store.names("runs/a/"):
            path = fetched / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._store.get(name))
        return fetched / "runs" / "a"


@contextlib.contextmanager
def opened(run: tiny.Tiny, folder: Path, on_store: bool, generator: random.Random) -> Iterator[Place]:
    """Where the run has its files; a server ends at the end."""
    if not on_store:
        yield Disk(run, folder)
        return
    store = ObjectStore()
    # By which this process reads it at the end.
    os.environ.update(store.environment, FERJAX_STORAGE_DIR=str(folder / "here"))
    try:
        yield Bucket(run, folder, store, generator)
    finally:
        store.close()


def killed(place: Place, seconds: float, flags: tuple[str, ...]) -> dict[str, int | bool]:
    """Starts the run and kills it some time after its first step."""
    with place.start(*flags) as command:
        if not command.reaches(1):
            code = command.finish()
            assert code == 0, command.text
            return {"ended": True}
        timer = threading.Timer(seconds, command.process.kill)
        timer.start()
        ended = command.finish() == 0
        timer.cancel()
    told = [line for line in command.lines if "going on from step" in line]
    reached = [line for line in command.lines if line.startswith("step ")]
    return {
        "ended": ended,
        "resumed": int(told[0].rpartition(" ")[2].replace(",", "")) if told else 0,
        "reached": int(reached[-1].split()[1].partition("/")[0].replace(",", "")),
    }


def main() -> None:
    """Kills, compares, and writes what was found."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", action="store_true", help="data set and workdir on an S3 server")
    parser.add_argument("--json")
    args = parser.parse_args()
    generator, rows = random.Random(args.seed), []
    # Long enough that so many starts do not get to the end.
    flags = (f"--config.train.epochs={3 * args.kills}", "--config.eval.every_epochs=2")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        tiny.write_csv(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
        server = ForkServer(**tiny.environment(folder / "compiled"))
        stack.callback(server.close)
        run = tiny.Tiny(folder / "data", folder / "compiled", server)
        whole = folder / "whole"
        run.run(whole, *flags)
        place = stack.enter_context(opened(run, folder, args.store, generator))
        for number in range(args.kills):
            rows.append(killed(place, generator.uniform(0, LONGEST_WAIT), flags))
            print(f"kill {number + 1}: {json.dumps(rows[-1])}", flush=True)
            if rows[-1]["ended"]:
                break
        with place.start(*flags) as command:
            assert command.finish() == 0, command.text
        broken = place.workdir()
        (state, meta), (expected, expected_meta) = tiny.newest(broken), tiny.newest(whole)
        tiny.assert_same(state, expected)
        tiny.assert_once(broken)
        resumed = [row["resumed"] for row in rows if "resumed" in row]
        same = {
            "best step": meta["best_step"] == expected_meta["best_step"],
            "result": tiny.result(broken) == tiny.result(whole),
            "metrics": tiny.steady(tiny.rows(broken)) == tiny.steady(tiny.rows(whole)),
            # No start goes on from before where an earlier one did: nothing that was saved is lost.
            "resumed": resumed == sorted(resumed),
        }
    print(same)
    rows.append({"kills": sum(not row["ended"] for row in rows), "bit-identical": True, **same})
    file = args.json or f"benchmarks/results/kills{'_store' if args.store else ''}.json"
    measure.record("kills", rows, PACKAGES, file)
    sys.exit(0 if all(same.values()) else 1)


if __name__ == "__main__":
    main()
