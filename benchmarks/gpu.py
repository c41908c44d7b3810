"""What is to be measured on a GPU, in one command of under ten minutes.

    python -m benchmarks.gpu [--networks resemotenet,se_resnet18,poster_v2,vit_s16] [--sizes 64,224,…]
                             [--batch 64] [--precision bfloat16] [--rounds 3] [--epochs 80] [--images 28709]
                             [--schedule_batch 16] [--limit 600] [--json FILE]

A training step of each network beside PyTorch's (eager, channels last, torch.compile) with its share of the
device's peak; real input against one batch on the device; the paper's FER2013 schedule; and, where there
are several devices, how much faster all of them are than one. Every measurement runs in a process of its own.
What would begin after --limit seconds is left out, and said. The aims: 1.3 times as fast as torch.compile,
45 % of the peak, the schedule in 3 minutes.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import beside_torch, command_line, measure, suite

NETWORKS = ("resemotenet", "se_resnet18", "poster_v2", "vit_s16")
# Dense products a second in bfloat16 by the data sheets, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; sizes are the networks' papers' if not given."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--sizes", help="image height and width, one for each network")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16, help="of a turn where input is measured")
    parser.add_argument("--epochs", type=float, default=80.0, help="of the schedule")
    parser.add_argument("--images", type=int, default=28_709, help="of the schedule and of input")
    parser.add_argument("--schedule_batch", type=int, default=16)
    parser.add_argument("--limit", type=float, default=600, help="seconds after which nothing more begins")
    parser.add_argument("--json", default="benchmarks/results/gpu.json")
    args = parser.parse_args(words)
    args.networks = args.networks.split(",")
    args.sizes = (
        [int(size) for size in args.sizes.split(",")]
        if args.sizes
        else [suite.usual_size(network) for network in args.networks]
    )
    if len(args.sizes) != len(args.networks):
        parser.error(f"--sizes has {len(args.sizes)} numbers for {len(args.networks)} networks")
    return args


def training(args: argparse.Namespace, network: str, size: int, about: dict[str, Any]) -> dict[str, Any]:
    """A network's step beside PyTorch's; `mfu`: share of the measured peak, `of_sheet`: of the stated one."""
    found = suite.child(
        "benchmarks.one_measurement", "training", model=network, size=size, batch=args.batch,
        precision=args.precision, rounds=args.rounds, compiled=True,
    )  # fmt: skip
    if "failed" in found:
        return found
    seconds = found["sides"][beside_torch.FERJAX]["median"]
    rate = found["model_flops"] / seconds
    peak = next((peak for name, peak in PEAKS.items() if name in about["device"]), None)
    return {
        **found,
        "times_as_fast": {
            name: side["median"] / seconds
            for name, side in found["sides"].items()
            if name != beside_torch.FERJAX
        },
        "mfu": rate / about["ceilings"][args.precision]["flops"],
        "of_sheet": rate / peak if peak and args.precision == "bfloat16" else None,
    }


def real_input(args: argparse.Namespace) -> dict[str, Any]:
    """The first network's steps with real input, as ratios to steps on one batch."""
    return suite.child(
        "benchmarks.one_measurement", "input", model=args.networks[0], size=args.sizes[0], batch=args.batch,
        precision=args.precision, rounds=args.rounds, images=min(args.images, 4000), steps=args.steps,
        steps_per_call=max(args.steps // 2, 1),
    )  # fmt: skip


def schedule(args: argparse.Namespace) -> dict[str, Any]:
    """The paper's schedule on generated images."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "schedule.json"
        done = suite.run_child(
            "benchmarks.fer2013_schedule", batch=args.schedule_batch, precision=args.precision,
            epochs=args.epochs, images=args.images, json=file,
        )  # fmt: skip
        return done if isinstance(done, dict) else json.loads(file.read_text())["rows"][0]


def parallel(args: argparse.Namespace) -> dict[str, Any]:
    """How many times as many images a second all devices take as one, of the first network."""
    return suite.child(
        "benchmarks.one_measurement", "parallel", model=args.networks[0], size=args.sizes[0],
        batch=args.batch, precision=args.precision, rounds=args.rounds,
    )  # fmt: skip


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Measures everything in turn; each part is what was found, or `{"failed": why}`."""
    start = time.perf_counter()
    about = suite.child("benchmarks.one_measurement", "about", precision=args.precision)
    if "failed" in about:
        raise SystemExit(f"the device cannot be measured: {about['failed']}")
    parts: dict[str, Any] = {
        f"training {network} {size}²": lambda network=network, size=size: training(args, network, size, about)
        for network, size in zip(args.networks, args.sizes, strict=True)
    }
    parts |= {"input": lambda: real_input(args), "schedule": lambda: schedule(args)}
    if about["devices"] > 1:
        parts["parallel"] = lambda: parallel(args)
    found = {}
    for name, part in parts.items():
        if time.perf_counter() - start > args.limit:
            found[name] = {"failed": f"left out: {args.limit:g} seconds had passed"}
            continue
        print(name, flush=True)
        found[name] = part()
    return {
        **about, "benchmark": "gpu", "batch": args.batch, "precision": args.precision,
        "seconds": time.perf_counter() - start, "found": found,
    }  # fmt: skip


def lines(run: dict[str, Any]) -> list[str]:
    """What was found, a line a part."""
    told = [f"{run['device']}, batch {run['batch']}, {run['precision']}, {run['seconds']:.0f} s in all"]
    for name, part in run["found"].items():
        if "failed" in part:
            told.append(f"{name}: {part['failed']}")
        elif "mfu" in part:
            ratios = ", ".join(f"{ratio:.2f} × {side}" for side, ratio in part["times_as_fast"].items())
            sheet = f", {part['of_sheet']:.0%} of the data sheet" if part["of_sheet"] else ""
            milliseconds = 1e3 * part["sides"][beside_torch.FERJAX]["median"]
            told.append(f"{name}: {milliseconds:,.1f} ms, {ratios}; MFU {part['mfu']:.0%} of measured{sheet}")
        elif "ratios" in part:
            ratios = ", ".join(f"{side} {ratio:.3f}" for side, ratio in part["ratios"].items())
            told.append(f"{name}: {ratios}")
        elif "speed_up" in part:
            told.append(f"{name}: {part['devices']} devices {part['speed_up']:.2f} times as fast as one")
        else:
            told.append(
                f"{name}: {part['epochs']:g} epochs in {part['whole_seconds']:,.1f} s, "
                f"{part['images_per_second']:,.0f} images/s"
            )
    return told


def main() -> None:
    """Measures, prints and writes the record."""
    args = arguments()
    run = measured(args)
    print("\n".join(lines(run)))
    measure.write(run, args.json)


if __name__ == "__main__":
    main()
