"""What a JPEG costs until it is in a batch: by decoder, by the size that is wanted, and by Grain's options.

    python -m benchmarks.decoding [--images 512] [--stored 256] [--sizes 224,112,64,48] [--rounds 5]
                                  [--json FILE]

Generated JPEGs of --stored pixels, as large as ferjax stores photographs of all sizes. First the cost of one
image on one core, in processor time: opened by PIL, as torchvision does it; `data.resize=pil`; and
`data.resize=draft`, which decodes images that are at least twice as large as wanted at a half or less. Then
streamed batches, in seconds, with Grain's threads, its buffer of batches and its worker processes.
At the end how many cores a host of four TPU v5e needs for the AffectNet job, whose rate on paper is read from
`benchmarks/results/aot_affectnet.json`.
"""

import io
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import grain
import numpy as np
from absl import flags
from PIL import Image

from benchmarks import command_line, measure
from benchmarks.streaming import write_images
from ferjax.data import builders, load, pipeline
from ferjax.data.images import decode

PACKAGES = ("grain", "simplejpeg", "pillow", "numpy")
PIL, WHOLE, DRAFT = "PIL", "data.resize=pil", "data.resize=draft"
AFFECTNET = Path(__file__).parent / "results" / "aot_affectnet.json"
BATCH = 64
CHIPS = 4  # of a host that is one of several, ct5lp-hightpu-4t, which has 112 virtual cores
# Threads, batches that are ready, worker processes; the first are ferjax's on two cores.
OPTIONS = ((2, 2, 0), (1, 2, 0), (4, 4, 0), (8, 8, 0), (2, 16, 0), (0, 0, 0), (1, 2, 1), (1, 2, 2))


def by_pil(encoded: bytes, size: int) -> np.ndarray:
    """Decodes and resizes as a data set of torchvision does."""
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def one_image(encoded: list[bytes], size: int, rounds: int) -> list[dict]:
    """Rows of the ways to decode to a size: processor seconds for all images, on one core."""
    ways = {
        PIL: lambda: [by_pil(each, size) for each in encoded],
        WHOLE: lambda: [decode(each, size, 3, "pil") for each in encoded],
        DRAFT: lambda: [decode(each, size, 3, "draft") for each in encoded],
    }
    seconds = measure.interleaved(ways, rounds, clock=time.process_time)
    rows = measure.table(f"one core, to {size}×{size}", len(encoded), seconds)
    differ = np.mean([np.abs(decode(e, size, 3).astype(int) - decode(e, size, 3, "draft")) for e in encoded])
    print(f"draft differs from pil by {differ:.2f} of 255 on average")
    rows[-1]["mean_difference"] = float(differ)
    return rows


def batches(folder: Path, name: str, size: int, threads: int, ahead: int, workers: int) -> Iterator:
    """Streamed batches with these options of Grain."""
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    source = load(name, "train", folder, image_size=size, val_fraction=0, cache="stream")
    with mock.patch.object(pipeline, "_read_options", return_value=options):
        return pipeline.train_batches(source, batch_size=BATCH, seed=0, workers=workers)


def streamed(folder: Path, name: str, count: int, size: int, rounds: int) -> list[dict]:
    """Rows of Grain's options: seconds of four epochs of streamed batches."""
    # So many that what was ready before the clock started is a small part.
    steps = max(1, 4 * count // BATCH)
    made = {
        f"{threads} threads, {ahead} ahead, {workers} workers": batches(
            folder, name, size, threads, ahead, workers
        )
        for threads, ahead, workers in OPTIONS
    }
    runs = {key: lambda it=it: [next(it) for _ in range(steps)] for key, it in made.items()}
    rows = measure.table(f"streamed, {size}×{size}", steps * BATCH, measure.interleaved(runs, rounds))
    for each in made.values():
        each.close()
    return rows


def cores(rows: list[dict], size: int) -> list[dict]:
    """Rows of what the AffectNet job eats on slices of v5e, and the cores of a host that decode as fast."""
    found = []
    for run in json.loads(AFFECTNET.read_text()):
        rate = run["batch_size"] / run["step"]
        hosts = max(1, run["devices"] // CHIPS)
        for row in rows:
            if row["what"] == f"one core, to {size}×{size}":
                need = rate / hosts * row["seconds"]["median"] / row["images"]
                found.append({"topology": run["topology"], "hosts": hosts, "run": row["run"], "cores": need})
                print(f"{run['topology']}, {hosts} hosts, {row['run']}: {need:.1f} cores a host")
    return found


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--stored", type=int, default=256)
    parser.add_argument("--sizes", type=command_line.several(int), default=[224, 112, 64, 48])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/decoding.json")
    args = parser.parse_args()
    flags.FLAGS.mark_as_parsed()  # Grain's workers ask for it
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder / "images", args.images, args.stored)
        encoded = [path.read_bytes() for path in paths]
        rows = list(
            itertools.chain.from_iterable(one_image(encoded, size, args.rounds) for size in args.sizes)
        )
        builders.build(builders.create("folder/decoding", folder / "built", manual_dir=folder / "images"))
        rows += streamed(folder / "built", "folder/decoding", args.images, args.sizes[0], args.rounds)
    rows += cores(rows, args.sizes[0])
    measure.record("decoding", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
