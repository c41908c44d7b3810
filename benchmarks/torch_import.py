"""Importing ResEmoteNet's 80 million parameters: reading and converting, and the whole command.

    python -m benchmarks.torch_import [--rounds 5] [--json FILE]

The aim is less than 5 s. Beside it stands PyTorch reading the same file into its own network.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import command_line, measure
from ferjax.interop.torch_files import read_state_dict, write_state_dict
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import import_state_dict

PACKAGES = ("jax", "flax", "orbax-checkpoint", "safetensors", "torch", "numpy")
NAME = "resemotenet"


def load_in_torch(path: Path) -> None:
    """What a PyTorch program does with such a file."""
    with torch.device("meta"):
        net = counterpart(NAME, 7)
    net.load_state_dict(torch.load(path, weights_only=True), strict=True, assign=True)


def command(path: Path, folder: Path) -> float:
    """Seconds of torch-import from starting its process to its end."""
    arguments = ["torch-import", str(path), f"--model={NAME}", f"--out={folder}"]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ferjax", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/torch_import.json")
    args = parser.parse_args()
    state = {name: value.numpy() for name, value in counterpart(NAME, 7).state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = {suffix: place / f"weights{suffix}" for suffix in (".safetensors", ".pth")}
        for path in files.values():
            write_state_dict(path, state, {"model": NAME})
        runs = {
            f"read and convert, {suffix}": lambda path=path: import_state_dict(NAME, read_state_dict(path))
            for suffix, path in files.items()
        }
        runs["PyTorch reads its .pth"] = lambda: load_in_torch(files[".pth"])
        seconds = measure.interleaved(runs, args.rounds)
        for suffix, path in files.items():
            seconds[f"torch-import, {suffix}"] = [
                command(path, place / f"out{suffix}{i}") for i in range(args.rounds)
            ]
    rows = measure.table("importing 80,238,599 parameters", 1, seconds)
    measure.record("torch_import", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
