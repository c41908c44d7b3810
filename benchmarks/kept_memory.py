"""A training step with a step's memory kept by the process, and with the C library's own ways.

    python -m benchmarks.kept_memory [--model se_resnet18] [--size 224] [--batch 16] [--rounds 7]

Prints seconds in turns, each side in a process of its own, and page faults a step. See `ferjax.allocator`.
"""

import argparse
import resource
from functools import partial

from benchmarks import measure
from benchmarks.apart import Apart
from benchmarks.beside_torch import batch_of
from benchmarks.ferjax_side import FerjaxTraining
from ferjax import models, process

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
SIDES = {"kept": process.prepare, "given back": None}


def page_faults(run: measure.Run) -> int:
    """Of one call."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main() -> None:
    """Measures, prints and writes the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="se_resnet18", choices=models.names())
    parser.add_argument("--size", type=int, default=224, help="image height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", default="benchmarks/results/kept_memory.json")
    args = parser.parse_args()
    make = partial(FerjaxTraining, *batch_of(args.batch, args.size), "float32", args.model)
    runs = {name: Apart(make, first) for name, first in SIDES.items()}
    title = f"training step, {args.model}, {args.size}×{args.size}, batch {args.batch}, float32"
    rows = measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
    for row in rows:
        row["page_faults"] = runs[row["run"]].ask(page_faults)
        print(f"{row['run']}: {row['page_faults']:,} page faults a step")
    measure.record("kept_memory", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
