"""Seconds and peak memory of `python -m ferjax labels SET --probabilities=FILE` on generated 48×48 images.

The images are smooth and random, stored as FER2013 is; the probabilities are made for labels of which a fifth
is wrong, with features of 256 numbers an image. The command runs as a process of its own, from its start to
the written page. The machine may be busy: beside the wall clock the processor's seconds are told.

    python -m benchmarks.labels_page [--images=30000] [--workdir=DIR]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import command_line, generated, measure
from ferjax.config import defaults
from ferjax.data.label_noise import with_wrong_labels
from ferjax.labels.whole_set import open_set

PACKAGES = ("numpy", "pillow", "array_record", "matplotlib")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
FEATURES, NOISE, FOLDS = 256, 0.2, 5


def write_probabilities(data: Path, path: Path) -> None:
    """Writes what a good network might say that has learnt from labels of which a part is wrong."""
    config = defaults()
    config.data.update(name="fer2013", dir=str(data))
    whole = open_set(config, 0)
    generator, number = np.random.default_rng(0), len(whole.labels)
    actual = with_wrong_labels(whole.labels, 7, NOISE, seed=0)
    logits = generator.normal(size=(number, 7))
    logits[np.arange(number), actual] += 4
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    features = generator.normal(size=(7, FEATURES))[actual] + generator.normal(size=(number, FEATURES))
    np.savez(
        path,
        probabilities=((1 - NOISE) * chances + NOISE * (1 - chances) / 6).astype(np.float32),
        label_names=np.array(whole.label_names),
        digest=np.array(whole.digest()),
        folds=np.arange(number) % FOLDS,
        features=features.astype(np.float16),
    )


def run(data: Path, probabilities: Path, out: Path) -> dict[str, float]:
    """Runs the command once: its seconds and its largest resident memory in bytes."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "ferjax", "labels", "fer2013", f"--data_dir={data}", f"--out={out}",
         f"--probabilities={probabilities}"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"the command failed with status {status}")
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--workdir", type=Path, help="where the set is kept; else it is removed")
    parser.add_argument("--json", default="benchmarks/results/labels_page.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.workdir or Path(name)
        counts = {split: round(share * arguments.images) for split, share in SHARES.items()}
        generated.build(folder / "data", counts)
        probabilities = folder / "probabilities.npz"
        write_probabilities(folder / "data", probabilities)
        row = {"images": arguments.images, **run(folder / "data", probabilities, folder / "out")}
        numbers = json.loads((folder / "out" / "labels.json").read_text())
        row |= {"suspects": numbers["flagged"]["total"], "estimate": numbers["noise"]["share"]}
        row["page_bytes"] = (folder / "out" / "index.html").stat().st_size
    print(
        f"{row['seconds']:.1f} s, {row['processor_seconds']:.1f} s of the processor, "
        f"{row['peak_memory_bytes'] / 2**20:.0f} MiB, page {row['page_bytes'] / 2**20:.1f} MiB"
    )
    measure.record("labels_page", [row], PACKAGES, arguments.json)


if __name__ == "__main__":
    main()
