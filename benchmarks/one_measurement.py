"""One measurement of the suite, in a process of its own: what it needs of memory and threads is its own.

    python -m benchmarks.one_measurement about --precision=float32,bfloat16
    python -m benchmarks.one_measurement training --model=resemotenet --size=64 --batch=16 [--precision=…]
    python -m benchmarks.one_measurement inference …
    python -m benchmarks.one_measurement input …
    python -m benchmarks.one_measurement parallel …

Prints one line of JSON at the end.
"""

import argparse
import json
import statistics
from typing import Any

import jax

from benchmarks import beside_torch, command_line, measure, real_input
from benchmarks.ferjax_side import FerjaxInference, FerjaxTraining
from ferjax.cost_model.roofline import measured_chip
from ferjax.platform import process


def about(args: argparse.Namespace) -> dict[str, Any]:
    """Device, versions and date, and the device's ceilings: operations and bytes a second, measured."""
    ceilings = {}
    for precision in args.precision.split(","):
        chip = measured_chip(precision)
        ceilings[precision] = {"flops": chip.flops, "bytes": chip.memory_rate}
    return {**measure.header("suite", beside_torch.PACKAGES), "ceilings": ceilings}


def side_by_side(args: argparse.Namespace, work: beside_torch.Work) -> dict[str, Any]:
    """Seconds of each side, and what the compiler says of ferjax's program: operations, bytes, memory."""
    sides = beside_torch.contenders(work, args.model, args.size, args.batch, args.precision, args.compiled)
    runs = beside_torch.apart(sides)
    seconds = measure.interleaved(runs, args.rounds)
    return {
        "sides": {name: measure.summary(values) for name, values in seconds.items()},
        **runs[beside_torch.FERJAX].ask(program),
    }


def program(run: FerjaxTraining | FerjaxInference) -> dict[str, float]:
    """`flops`, `bytes` and `memory` of one call: the last is arguments, results and all between.

    `model_flops` are those of the program before it is optimised, of all devices together.
    """
    cost, memory = run.compiled.cost_analysis(), run.compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "flops": float(cost.get("flops", 0)),
        "model_flops": run.flops,
        "bytes": float(cost.get("bytes accessed", 0)),
        "memory": held + memory.temp_size_in_bytes,
    }


def several_against_one(args: argparse.Namespace) -> dict[str, Any]:
    """Training steps on all devices beside steps on one, each device with a batch of its own.

    `speed_up` is images a second of all over those of one, `devices` how many all are.
    """
    runs = {}
    for devices in (1, jax.device_count()):
        images, labels = beside_torch.batch_of(devices * args.batch, args.size)
        runs[str(devices)] = FerjaxTraining(images, labels, args.precision, args.model, devices)
    seconds = [statistics.median(times) for times in measure.interleaved(runs, args.rounds).values()]
    devices = jax.device_count()
    return {"devices": devices, "seconds": seconds, "speed_up": devices * seconds[0] / seconds[-1]}


def real_against_synthetic(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of some steps by every way of input, and each one's ratio to one batch on the device."""
    rows = real_input.compare(args)
    return {
        "sides": {row["run"]: row["seconds"] for row in rows},
        "ratios": {row["run"]: row["ratio"] for row in rows},
    }


def main() -> None:
    """Measures; see the module."""
    parser = command_line.parser(__doc__)
    parser.add_argument("what", choices=("about", "training", "inference", "input", "parallel"))
    parser.add_argument("--model", default="resemotenet")
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2000, help="input: of the set")
    parser.add_argument("--steps", type=int, default=16, help="input: of a turn")
    parser.add_argument("--steps_per_call", type=int, default=8, help="input: for one of the ways")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too")
    args = parser.parse_args()
    process.prepare()
    if args.what == "about":
        found = about(args)
    elif args.what == "input":
        found = real_against_synthetic(args)
    elif args.what == "parallel":
        found = several_against_one(args)
    else:
        works = {"training": beside_torch.TRAINING, "inference": beside_torch.INFERENCE}
        found = side_by_side(args, works[args.what])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
