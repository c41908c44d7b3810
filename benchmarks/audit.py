"""Seconds and peak memory of `python -m ferjax audit` on generated 48×48 images.

The images are smooth and random; a hundredth of those in test copy one of train pixel for pixel, another
hundredth with noise. They are stored as FER2013 is, and the command runs as a process of its own, from its
start to the written page: first everything is decoded, then the fingerprints are there already.

    python -m benchmarks.audit [--images=30000]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import command_line, generated, measure

PACKAGES = ("numpy", "pillow", "array_record")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def run(data: Path, out: Path) -> dict[str, float]:
    """Runs the command once: its seconds and its largest resident memory in bytes."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "ferjax", "audit", "fer2013", f"--data_dir={data}", f"--out={out}"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"the audit failed with status {status}")
    return {"seconds": time.perf_counter() - start, "peak_memory_bytes": usage.ru_maxrss * 1024}


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--json", default="benchmarks/results/audit.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generated.build(
            folder / "data", {split: round(share * arguments.images) for split, share in SHARES.items()}
        )
        rows = []
        for what in ("first audit", "again, fingerprints kept"):
            row = {"run": what, "images": arguments.images, **run(folder / "data", folder / "out")}
            report = json.loads((folder / "out" / "audit.json").read_text())
            row |= {"exact_pairs": report["exact"]["pairs"], "near_pairs": report["near"]["pairs"]}
            rows.append(row)
            print(
                f"{what:26s} {row['seconds']:6.1f} s {row['peak_memory_bytes'] / 2**20:7.0f} MiB", flush=True
            )
    measure.record("audit", rows, PACKAGES, arguments.json)


if __name__ == "__main__":
    main()
