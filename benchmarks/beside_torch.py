"""ferjax beside PyTorch eager and torch.compile on one batch, each in its own process."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks import command_line, measure
from benchmarks.ferjax_side import FerjaxInference, FerjaxTraining
from benchmarks.subprocess_run import Apart
from benchmarks.torch_side import TorchInference, TorchTraining
from ferjax.interop.torch_networks import NETWORKS
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "flax", "optax", "torch", "numpy")
FERJAX = "ferjax"
# The sides of PyTorch and their options.
TORCH = {
    "torch eager": {"channels_last": False, "compiled": False},
    "torch eager, channels last": {"channels_last": True, "compiled": False},
    "torch.compile, channels last": {"channels_last": True, "compiled": True},
}


class Work(NamedTuple):
    """What both sides do with a batch.

    Attributes:
        name: as titles show it.
        file: of the record, without `.json`.
        ours: `(images, labels, precision, network) -> Run`.
        theirs: `(network, images, labels, bfloat16, channels_last, compiled) -> Run`.
    """

    name: str
    file: str
    ours: Callable[..., measure.Run]
    theirs: Callable[..., measure.Run]


TRAINING = Work("training step", "train_step", FerjaxTraining, TorchTraining)
INFERENCE = Work("inference", "inference", FerjaxInference, TorchInference)


def batch_of(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 `[count, size, size, 3]` and labels int32 `[count]`."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    return images, rng.integers(0, 7, count, np.int32)


def contenders(
    work: Work, network: str, size: int, batch: int, precision: str, compiled: bool
) -> dict[str, Callable[[], measure.Run]]:
    """What makes a run of each side, ferjax first; `compiled` tells whether torch.compile is among them."""
    images, labels = batch_of(batch, size)
    theirs = partial(work.theirs, network, images, labels, precision == "bfloat16")
    sides = {name: options for name, options in TORCH.items() if compiled or not options["compiled"]}
    return {
        FERJAX: partial(work.ours, images, labels, precision, network),
        **{name: partial(theirs, **options) for name, options in sides.items()},
    }


def apart(sides: dict[str, Callable[[], measure.Run]]) -> dict[str, Apart]:
    """Every side in its own process, ferjax's set up as its commands are."""
    return {name: Apart(make, ferjax_starts if name == FERJAX else None) for name, make in sides.items()}


def ferjax_starts() -> None:
    """What a command of ferjax does first."""
    process.prepare()
    keep_compiled()


def command(work: Work, description: str, batches: str, rounds: int) -> None:
    """Measures one network at some batch sizes, prints tables and writes the record.

    Args:
        work: of both sides.
        description: for `--help`.
        batches: default of `--batch`.
        rounds: default of `--rounds`.
    """
    parser = command_line.parser(description)
    parser.add_argument("--model", default="resemotenet", choices=sorted(NETWORKS))
    parser.add_argument("--batch", default=batches, help="batch sizes, separated by commas")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--nocompiled", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", help=f"default: benchmarks/results/{work.file}.json, or …_MODEL.json")
    args = parser.parse_args()
    rows = []
    for batch in map(int, args.batch.split(",")):
        sides = contenders(work, args.model, args.size, batch, args.precision, not args.nocompiled)
        runs = apart(sides)
        title = f"{work.name}, {args.model}, {args.size}×{args.size}, batch {batch}, {args.precision}"
        rows += measure.table(title, batch, measure.interleaved(runs, args.rounds))
        for run in runs.values():
            run.close()
    measure.record(work.file, rows, PACKAGES, args.json or measure.path(work.file, args.model))
