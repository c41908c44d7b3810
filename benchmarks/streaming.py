"""Images per second of 224×224 JPEG, streamed and from the disk cache, beside a PyTorch DataLoader.

    python -m benchmarks.streaming [--images 1500] [--workers 2] [--rounds 3] [--json FILE]

The work: shuffled batches of uint8 [B, 224, 224, 3] and their labels, out of the same generated JPEG files.
The DataLoader opens and decodes the files with PIL; ferjax streams the same bytes out of ArrayRecord, or maps
what it has decoded once. The aims are 1.5 and 4 times the DataLoader. At the end the memory of a streamed
epoch is followed, workers included.
"""

import argparse
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import torch
from absl import flags
from PIL import Image

from benchmarks import command_line, measure
from benchmarks.torch_data import FileDataset
from ferjax.data import builders, load
from ferjax.data.labels import FER7
from ferjax.data.pipeline import decoding_threads, train_batches
from ferjax.data.sources import Source

PACKAGES = ("grain", "array_record", "numpy", "pillow", "torch")
SIZE = 224
NAME = "folder/streaming"
THREADS, STREAM, CACHED = "ferjax, stream, {} threads", "ferjax, stream, {} workers", "ferjax, disk cache"
LOADER = "DataLoader, {} workers"


def write_images(folder: Path, count: int, size: int = SIZE) -> list[Path]:
    """Writes smooth random pictures with some noise, as JPEG files in a folder for each class."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.int16)
        noisy = (smooth + rng.integers(-6, 7, (size, size, 1), dtype=np.int16)).clip(0, 255)
        buffer = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(buffer, "JPEG", quality=90)
        paths.append(folder / FER7[index % 7] / f"{index:06d}.jpg")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(buffer.getvalue())
    return paths


def torch_batches(files: FileDataset, batch_size: int, workers: int) -> Iterator:
    """Random batches without end. (Of short epochs the pause between two would be a large part.)"""
    sampler = torch.utils.data.RandomSampler(files, replacement=True, num_samples=2**24)
    loader = torch.utils.data.DataLoader(files, batch_size, sampler=sampler, num_workers=workers)
    yield from loader


def draw(batches: Iterator, steps: int) -> measure.Run:
    """A run that takes the next `steps` batches."""

    def run() -> None:
        for _ in range(steps):
            batch = next(batches)
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        assert tuple(images.shape[1:]) == (SIZE, SIZE, 3), images.shape

    return run


def memory(batches: Iterator, steps: int, points: int = 8) -> list[float]:
    """MiB that this process and its workers hold, at some points of an epoch."""
    held = []
    for step in range(steps):
        next(batches)
        if (step + 1) * points // steps > step * points // steps:
            process = psutil.Process()
            processes = [process, *process.children(recursive=True)]
            held.append(sum(each.memory_info().rss for each in processes) / 2**20)
    return held


def compare(stream: Source, cached: Source, files: FileDataset, args: argparse.Namespace) -> list[dict]:
    """Times every contender; returns the rows of the record."""
    size, workers = args.batch, args.workers
    contenders = {
        THREADS.format(decoding_threads()): train_batches(stream, batch_size=size, seed=0),
        STREAM.format(workers): train_batches(stream, batch_size=size, seed=0, workers=workers),
        LOADER.format(workers): torch_batches(files, size, workers),
        CACHED: train_batches(cached, batch_size=size, seed=0),
    }
    steps = max(1, len(stream) // size)
    runs = {name: draw(batches, steps) for name, batches in contenders.items()}
    rows = measure.table(f"{SIZE}×{SIZE} JPEG", steps * size, measure.interleaved(runs, args.rounds))
    (loader,) = [row for row in rows if row["run"] == LOADER.format(workers)]
    for row in rows:
        row["times_the_dataloader"] = loader["seconds"]["median"] / row["seconds"]["median"]
        print(f"{row['run']}: {row['times_the_dataloader']:.2f} times the DataLoader")
    held = memory(contenders[STREAM.format(workers)], 2 * steps)
    print("memory over two streamed epochs, MiB: " + " ".join(f"{value:.0f}" for value in held))
    for batches in contenders.values():
        batches.close()
    return [*rows, {"what": "memory of two streamed epochs", "MiB": held}]


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/streaming.json")
    args = parser.parse_args()
    flags.FLAGS.mark_as_parsed()  # Grain's workers ask for it
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder / "images", args.images)
        builders.build(builders.create(NAME, folder / "built", manual_dir=folder / "images"))
        stream, cached = (
            load(NAME, "train", folder / "built", image_size=SIZE, val_fraction=0, cache=cache)
            for cache in ("stream", "disk")
        )
        files = FileDataset(paths, [FER7.index(path.parent.name) for path in paths], "RGB")
        rows = compare(stream, cached, files, args)
    measure.record("streaming", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
