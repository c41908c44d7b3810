"""Images per second streamed from a set that lies in object storage, beside the same set on a disk.

    python -m benchmarks.object_storage [--images 28709] [--epochs 3] [--rounds 3] [--json FILE]

The set has FER2013's shape; the store is a server of the S3 protocol on the loopback interface. Each turn is
a process of its own: it opens the training split with `data.cache=stream` and reads shuffled batches. The
first epoch from the store includes fetching the set into an empty cache of the host; later epochs read that.
The aim is 70 % of the disk's throughput.

`--images 700 --rounds 1` tries it.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from object_store import BUCKET, ObjectStore  # of the tests

from benchmarks import command_line, generated, measure
from ferjax.data import load
from ferjax.data.pipeline import train_batches

PACKAGES = ("grain", "array_record", "s3fs", "numpy", "pillow")
BATCH = 128
DISK, STORE = "disk", "object storage"


def epochs_read(data_dir: str, epochs: int) -> list[float]:
    """What a child does: seconds of each epoch, opening the set included in the first."""
    start, seconds = time.perf_counter(), []
    source = load("fer2013", "train", data_dir=data_dir, image_size=48, cache="stream")
    batches = train_batches(source, batch_size=BATCH, seed=0)
    steps = len(source) // BATCH
    for _ in range(epochs):
        for _ in range(steps):
            next(batches)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    batches.close()
    return seconds


def turn(place: str, epochs: int, environment: dict[str, str]) -> list[float]:
    """Reads in a process of its own; seconds of each epoch."""
    command = [sys.executable, "-m", "benchmarks.object_storage", f"--child={place}", f"--epochs={epochs}"]
    with tempfile.TemporaryDirectory() as cache:
        variables = {**os.environ, **environment, "FERJAX_STORAGE_DIR": cache}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"reading {place} failed: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measured(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Reads from both in turns; a row for each."""
    counts = {"train": args.images, "validation": 70, "test": 70}
    generated.build(folder, counts)
    images = args.images // BATCH * BATCH
    with contextlib.closing(ObjectStore()) as store:
        for path in folder.rglob("*"):
            if path.is_file():
                store.put(f"sets/{path.relative_to(folder).as_posix()}", path.read_bytes())
        places = {DISK: (str(folder), {}), STORE: (f"s3://{BUCKET}/sets", store.environment)}
        seconds: dict[str, list[list[float]]] = {name: [] for name in places}
        for _ in range(args.rounds):
            for name, (place, environment) in places.items():
                seconds[name].append(turn(place, args.epochs, environment))
    rows = []
    for name, turns in seconds.items():
        first = [images / each[0] for each in turns]
        whole = [args.epochs * images / sum(each) for each in turns]
        rows.append(
            {"from": name, "images": images, "epochs": args.epochs, "first_epoch": first, "all_epochs": whole}
        )
    disk, remote = rows
    for figure in ("first_epoch", "all_epochs"):
        ratios = [b / a for a, b in zip(disk[figure], remote[figure], strict=True)]
        remote[f"{figure}_ratio"] = median(ratios)
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=generated.OFFICIAL["train"], help="of train")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--json", default="benchmarks/results/object_storage.json")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(epochs_read(args.child, args.epochs)))
        return
    if args.images < BATCH:
        parser.error(f"--images must be at least {BATCH}, one batch")
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(args, Path(folder))
    print(f"{'images/s from':16s} {'first epoch':>12s} {f'{args.epochs} epochs':>12s}")
    for row in rows:
        print(f"{row['from']:16s} {median(row['first_epoch']):12,.0f} {median(row['all_epochs']):12,.0f}")
    remote = rows[-1]
    print(f"{'ratio':16s} {remote['first_epoch_ratio']:12.2f} {remote['all_epochs_ratio']:12.2f}")
    measure.record("object_storage", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
