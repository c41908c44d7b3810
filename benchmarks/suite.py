"""Everything about speed in one command: each network beside PyTorch, input, start-up, memory, ceilings.

    python -m benchmarks.suite [--networks resemotenet,se_resnet18] [--sizes 64] [--batches 16,256]
                               [--precisions float32,bfloat16] [--what training,inference] [--rounds 5]
                               [--compiled resemotenet] [--quick] [--history FILE] [--page FILE]

Every measurement runs in a process of its own, the sides of one in turns. What was found becomes one line of
the history, with the device, versions and date; the page's tables and pictures show each device's newest
figure of every case.
^C keeps what was measured until then.
`--quick` tries everything on two small networks and keeps its record and page in build/benchmarks.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import command_line, first_step, suite_page
from ferjax.interop.torch_networks import NETWORKS
from ferjax.registry import NETWORKS as REGISTERED

# Without --batches and --precisions: by platform.
BATCHES = {"cpu": (16,), "gpu": (16, 64, 256, 1024)}
PRECISIONS = {"cpu": ("float32",), "gpu": ("bfloat16", "float32")}
# How cost grows with the batch: on GPUs by all networks, on CPUs by one that has room for large batches.
GROWING, LARGER = "fer_cnn", (64, 256, 1024)
# Input is measured with these, of which the last has the shortest step; a quick run takes its first network.
ABOUT_INPUT = ("resemotenet", "se_resnet18", "fer_cnn")
WHAT = ("input", "first step", "training", "inference")
QUICK = {"networks": "fer_cnn,sdl", "compiled": "", "batches": "4,8", "rounds": 1, "images": 32, "steps": 4}


def usual_size(network: str) -> int:
    """Pixels, both sides, of the images of a network's paper."""
    return REGISTERED.find(network).facts.usual


def run_child(module: str, *words: str, **options: Any) -> str | dict[str, Any]:
    """Runs a module; what it printed, or `{"failed": its last words}`: one that fails ends no other."""
    flags = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
        if value is not False
    ]
    done = subprocess.run(
        [sys.executable, "-m", module, *words, *flags],
        # Two frameworks share the device's memory.
        env={**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        print(f"  failed: {lines[-1][:200]}", flush=True)
        return {"failed": lines[-1][:200]}
    return done.stdout


def child(module: str, what: str, **options: Any) -> dict[str, Any]:
    """Runs a measurement; what it found, or `{"failed": its last words}`."""
    told = run_child(module, what, **options)
    return told if isinstance(told, dict) else json.loads(told.splitlines()[-1])


def cases(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What is to be measured: dictionaries of `what`, `model`, `size`, `batch` and `precision`."""
    found = []
    about = args.networks[:1] if args.quick else [n for n in args.networks if n in ABOUT_INPUT]
    for network in about:
        size = args.sizes[0] if args.sizes else usual_size(network)
        case = {"model": network, "size": size, "precision": args.precisions[0]}
        found += [{"what": "input", **case, "batch": batch} for batch in args.batches]
    # For its peak of memory, every network's.
    for network in about if args.quick else args.networks:
        size = args.sizes[0] if args.sizes else usual_size(network)
        case = {"model": network, "size": size, "precision": args.precisions[0]}
        found.append({"what": "first step", **case, "batch": args.batches[0]})
    for precision, network in itertools.product(args.precisions, args.networks):
        for size in args.sizes or [usual_size(network)]:
            case = {"model": network, "size": size, "precision": precision}
            batches = [*args.batches, *(LARGER if args.grow and network == GROWING else ())]
            found += [{"what": "training", **case, "batch": batch} for batch in batches]
            for batch in sorted({1, *args.batches}):
                found.append({"what": "inference", **case, "batch": batch})
    return [case for case in found if case["what"] in args.what]


def measured(case: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """A case with what was found."""
    print(" ".join(str(value) for value in case.values()), flush=True)
    options = {name: value for name, value in case.items() if name != "what"}
    if case["what"] == "first step":
        try:
            return {**case, "sides": first_step.measured(**options, compiled=case["model"] in args.compiled)}
        except subprocess.CalledProcessError as error:
            return {**case, "failed": str(error)}
    if case["what"] == "input":
        options |= {"images": args.images, "steps": args.steps, "steps_per_call": args.steps // 2}
    else:
        options["compiled"] = case["model"] in args.compiled
    return {**case, **child("benchmarks.one_measurement", case["what"], **options, rounds=args.rounds)}


def arguments() -> argparse.Namespace:
    """The command line, with the defaults of the device at hand."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--networks", help="default: all that PyTorch knows too")
    parser.add_argument("--sizes", help="image heights and widths; default: each network's paper's")
    parser.add_argument(
        "--batches", help="default: 16, training of fer_cnn up to 1,024; on a GPU 16,64,256,1024"
    )
    parser.add_argument("--precisions", help="default: float32; on a GPU bfloat16,float32")
    parser.add_argument("--what", default=",".join(WHAT), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=4000, help="of the set that input is read from")
    parser.add_argument("--steps", type=int, default=16, help="of a turn where input is measured")
    parser.add_argument(
        "--compiled",
        help="networks that torch.compile gets too; default: all, on a CPU, which needs minutes for some, "
        f"{','.join(ABOUT_INPUT)}; none: ''",
    )
    parser.add_argument("--quick", action="store_true", help="small, to try it")
    parser.add_argument("--history", type=Path)
    parser.add_argument("--page", type=Path)
    args = parser.parse_args()
    folder = Path("build/benchmarks")
    args.history = args.history or (folder if args.quick else Path("benchmarks/results")) / "suite.jsonl"
    args.page = args.page or (folder if args.quick else Path("docs")) / "benchmarks.md"
    if args.quick:
        for name, value in QUICK.items():
            if getattr(args, name) == parser.get_default(name):
                setattr(args, name, value)
    unknown = {name for given in (args.networks, args.compiled) for name in (given or "").split(",")}
    unknown = sorted(unknown - {*NETWORKS, ""})
    if unknown:
        parser.error(f"no such network: {', '.join(unknown)}; there are {', '.join(sorted(NETWORKS))}")
    args.what = args.what.split(",")
    if strange := sorted({*args.what} - {*WHAT}):
        parser.error(f"--what cannot be {', '.join(strange)}; it is some of {', '.join(WHAT)}")
    return args


def main() -> None:
    """Measures, appends to the history and writes the page."""
    args = arguments()
    about = child("benchmarks.one_measurement", "about", precision=args.precisions or "float32,bfloat16")
    if "failed" in about:
        raise SystemExit(f"the device cannot be measured: {about['failed']}")
    args.platform = "cpu" if about["platform"] == "cpu" else "gpu"
    args.grow = args.batches is None and args.platform == "cpu"
    args.networks = args.networks.split(",") if args.networks else sorted(NETWORKS)
    if args.compiled is None:
        args.compiled = ",".join(NETWORKS if args.platform == "gpu" else ABOUT_INPUT)
    args.compiled = args.compiled.split(",")
    args.sizes = [int(size) for size in (args.sizes or "").split(",") if size]
    args.batches = [int(batch) for batch in (args.batches or "").split(",") if batch]
    args.batches = args.batches or BATCHES[args.platform]
    args.precisions = (args.precisions or "").split(",") if args.precisions else PRECISIONS[args.platform]
    run: dict[str, Any] = {**about, "cases": []}
    try:
        for case in cases(args):
            run["cases"].append(measured(case, args))
    except KeyboardInterrupt:
        print("stopped; what was measured is kept")
    args.history.parent.mkdir(parents=True, exist_ok=True)
    with args.history.open("a") as file:
        file.write(json.dumps(run) + "\n")
    suite_page.write(args.history, args.page)
    print(f"wrote {args.history} and {args.page}")
    failed = sum("failed" in case for case in run["cases"])
    if failed == len(run["cases"]):
        raise SystemExit("nothing could be measured")


if __name__ == "__main__":
    main()
