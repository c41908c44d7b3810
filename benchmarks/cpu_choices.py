"""Each choice that makes ferjax faster on CPUs, left out by itself: training and inference without it.

    python -m benchmarks.cpu_choices [--networks fer_cnn,se_resnet18] [--without winograd,pairs] [--batch 16]
                                     [--rounds 5] [--json FILE]

Prints seconds in turns, each side in a process of its own, and the page faults of a call. The sizes are the
papers'. See `ferjax.layers.cpu.conv_lowerings`, `allocator`, `compile_options` and `xla_flags` in
`ferjax.platform`.
"""

import os
import resource
import sys
from functools import partial

from benchmarks import command_line, measure
from benchmarks.beside_torch import INFERENCE, TRAINING, batch_of
from benchmarks.subprocess_run import Apart
from benchmarks.suite import usual_size
from ferjax import models
from ferjax.layers.cpu import conv_lowerings
from ferjax.platform import process, xla_flags
from ferjax.platform.compile_options import OLDER_FUSIONS

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
# 3×3 convolutions with fewer products; two columns of few channels at once; convolutions by Eigen and not by
# YNNPACK; steps whose fusions are compiled by XLA's older way; freed memory that stays with the process.
CHOICES = ("winograd", "pairs", "eigen", "older fusions", "kept memory")
YNNPACK = ("INDIVIDUAL_DOT", "INDIVIDUAL_CONVOLUTION", "REDUCE")  # what XLA 0.10.2 gives it


def start(without: str | None = None) -> None:
    """What a command of ferjax does first, but for one choice."""
    if without == "kept memory":
        xla_flags.keep_convolutions()
        return
    if without == "eigen":
        kinds = ",".join(f"LIBRARY_FUSION_TYPE_{kind}" for kind in YNNPACK)
        os.environ["XLA_FLAGS"] = f"{xla_flags.FLAG}={kinds}"
    if without == "older fusions":
        os.environ["XLA_FLAGS"] = f"--{OLDER_FUSIONS}=true"
    process.prepare()
    if without == "winograd":
        conv_lowerings.WINOGRAD_CHANNELS = sys.maxsize
    if without == "pairs":
        conv_lowerings.FEW_CHANNELS = 0


def page_faults(run: measure.Run) -> int:
    """Of one call."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main() -> None:
    """Measures, prints and writes the record."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--networks", default="fer_cnn,attentional_cnn,sdl,resemotenet,resnet18,se_resnet18")
    parser.add_argument("--without", default=",".join(CHOICES), help="default: each")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/cpu_choices.json")
    args = parser.parse_args()
    networks, left_out = args.networks.split(","), args.without.split(",")
    unknown = sorted({*networks} - {*models.names()}) + sorted({*left_out} - {*CHOICES})
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choices are {', '.join(CHOICES)}")
    rows = []
    for network in networks:
        size = usual_size(network)
        for work in (TRAINING, INFERENCE):
            make = partial(work.ours, *batch_of(args.batch, size), "float32", network)
            runs = {"all": Apart(make, start)}
            runs |= {f"without {name}": Apart(make, partial(start, name)) for name in left_out}
            title = f"{work.name}, {network}, {size}×{size}, batch {args.batch}, float32"
            found = measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
            for row in found:
                row["page_faults"] = runs[row["run"]].ask(page_faults)
                runs[row["run"]].close()
            faults = ", ".join(f"{row['run']} {row['page_faults']:,}" for row in found)
            print(f"page faults a call: {faults}", flush=True)
            rows += found
    measure.record("cpu_choices", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
