"""Time from starting the default command to its first training step: without and with the compilation cache.

    python -m benchmarks.startup [--rounds 3] [--json FILE]

Both start with the data set built. The cold start has an empty cache folder, the warm one a full one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import command_line, measure

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets")


def first_step(cache: Path, workdir: Path) -> float:
    """Seconds from starting the process to the line that tells of step 1."""
    shutil.rmtree(workdir, ignore_errors=True)
    command = [sys.executable, "-m", "ferjax.main", "--config=configs/resemotenet.py", f"--workdir={workdir}"]
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache), "PYTHONUNBUFFERED": "1"},
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.strip().startswith("step"):
                seconds = time.perf_counter() - start
                process.kill()
                return seconds
    raise SystemExit("the run ended before its first step:\n" + "".join(lines))


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/startup.json")
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {"warm": [], "cold": []}
    with tempfile.TemporaryDirectory() as folder:
        cache, workdir = Path(folder) / "cache", Path(folder) / "workdir"
        first_step(cache, workdir)  # builds the data set if it is not there
        for _ in range(args.rounds):
            shutil.rmtree(cache, ignore_errors=True)
            seconds["cold"].append(first_step(cache, workdir))
            seconds["warm"].append(first_step(cache, workdir))
    rows = measure.table("time to the first training step", 1, seconds)
    measure.record("startup", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
