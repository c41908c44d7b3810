"""The paper's whole FER2013 schedule, 80 epochs of 28,709 images, on generated images of that shape.

    python -m benchmarks.fer2013_schedule [--batch 16,1024] [--precision bfloat16] [--epochs 80]
                                          [--images 28709] [--steps_per_call 20] [--cache device]
                                          [--eval_every_epochs 10] [--data_dir DIR] [--json FILE]

It is the real command: the recipe `configs/resemotenet.py:fer2013`, the loop with its log, validations,
checkpoints and the test at the end. Only the images are generated, so the accuracy means nothing. Validation
comes every --eval_every_epochs. The aims, on an H100: under 3 minutes at batch 16, under 30 s at batch 1,024.

`--images 64 --epochs 2 --batch 16` tries it on a CPU.
"""

import argparse
import tempfile
import time
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import command_line, generated, measure
from configs.resemotenet import get_config
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled
from ferjax.training.loop import train_and_evaluate

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
AIMS = {16: 180.0, 1024: 30.0}  # seconds, on an H100


def configuration(args: argparse.Namespace, data: Path, batch: int, precision: str) -> ConfigDict:
    """The paper's recipe with what makes it fast; none of it changes a number but the precision and batch."""
    config = get_config("fer2013")
    config.data.update(dir=str(data), cache=args.cache)
    config.train.update(
        batch_size=batch,
        epochs=args.epochs,
        precision=precision,
        steps_per_call=args.steps_per_call,
        log_every=5 * args.steps_per_call,
    )
    config.eval.update(batch_size=max(batch, 64), every_epochs=args.eval_every_epochs)
    return config


def measured(config: ConfigDict, workdir: Path) -> dict:
    """Trains to the end; one row of the record."""
    start = time.perf_counter()
    result = train_and_evaluate(config, workdir)
    return {
        "batch": config.train.batch_size,
        "precision": config.train.precision,
        "epochs": result["epochs"],
        "steps": result["steps"],
        "steps_per_call": config.train.steps_per_call,
        "cache": config.data.cache,
        # Of the loop, compiling, validations and checkpoints included; and with data, test and all.
        "seconds": result["seconds"],
        "whole_seconds": time.perf_counter() - start,
        "images_per_second": result["images_per_second"],
        "data_wait_fraction": result["data_wait_fraction"],
        "peak_memory_bytes": result["peak_memory_bytes"],
    }


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--batch", default="16,1024", help="batch sizes, separated by commas")
    parser.add_argument("--precision", default="bfloat16", help="float32, bfloat16 or both, with a comma")
    parser.add_argument("--epochs", type=float, default=80.0)
    parser.add_argument("--eval_every_epochs", type=float, default=10.0)
    parser.add_argument("--images", type=int, default=generated.OFFICIAL["train"], help="for training")
    parser.add_argument("--steps_per_call", type=int, default=20)
    parser.add_argument("--cache", default="device", choices=("device", "memory"))
    parser.add_argument("--data_dir", type=Path, help="where the set is built and kept; else it is removed")
    parser.add_argument("--json", default="benchmarks/results/fer2013_schedule.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    share = args.images / generated.OFFICIAL["train"]
    counts = {split: max(round(share * count), 7) for split, count in generated.OFFICIAL.items()}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = args.data_dir or Path(folder) / "data"
        generated.build(data, counts)
        for precision in args.precision.split(","):
            for batch in map(int, args.batch.split(",")):
                workdir = Path(folder) / f"{precision}-{batch}"
                rows.append(measured(configuration(args, data, batch, precision), workdir))
    print(f"\n{'batch':>6s} {'precision':>10s} {'seconds':>9s} {'images/s':>10s} {'waited':>7s} {'MiB':>8s}")
    for row in rows:
        print(
            f"{row['batch']:6d} {row['precision']:>10s} {row['seconds']:9.1f} "
            f"{row['images_per_second']:10,.0f} {row['data_wait_fraction']:7.2%} "
            f"{row['peak_memory_bytes'] / 2**20:8,.0f}"
            + (f"   aim on an H100: {AIMS[row['batch']]:g} s" if row["batch"] in AIMS else "")
        )
    measure.record("fer2013_schedule", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
