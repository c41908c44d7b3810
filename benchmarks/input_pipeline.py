"""Images per second of the input pipeline beside a PyTorch DataLoader that does the same work.

The work: shuffled batches, uint8 [B, 48, 48, 1] and their labels, out of one and the same set of generated
grey faces, which the real FER2013 builder stores. ferjax gathers a batch from one array (`cache="memory"`)
or decodes it from ArrayRecord (`cache="stream"`). The DataLoader hands out items, one by one, of one uint8
array or of PNG files that PIL decodes, and collates them.

    python -m benchmarks.input_pipeline [--images=4000]
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from absl import flags
from PIL import Image

from benchmarks import command_line, measure
from benchmarks.torch_data import ArrayDataset, FileDataset
from ferjax.data import builders, load
from ferjax.data.images import encode_png
from ferjax.data.pipeline import train_batches
from ferjax.data.sources import Source

PACKAGES = ("grain", "array_record", "numpy", "pillow", "torch")


def torch_batches(dataset: torch.utils.data.Dataset, batch_size: int, workers: int) -> Iterator:
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def write_csv(path: Path, images: int) -> None:
    """Writes smooth random images in FER2013's CSV layout, all of them for training."""
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write("emotion,pixels,Usage\n")
        for _ in range(images):
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
            smooth = np.asarray(coarse.resize((48, 48), Image.Resampling.BICUBIC), np.int64)
            pixels = (smooth + rng.integers(-4, 5, (48, 48))).clip(0, 255).ravel()
            file.write(f"{rng.integers(7)},{' '.join(map(str, pixels))},Training\n")


def draw(batches: Iterator, steps: int, batch_size: int) -> measure.Run:
    """A run that takes the next `steps` batches."""

    def run() -> None:
        for _ in range(steps):
            batch = next(batches)
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        assert tuple(images.shape) == (batch_size, 48, 48, 1), images.shape

    return run


def compare(
    memory: Source, stream: Source, files: FileDataset, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    """Times every contender; returns the rows of the record."""
    cores = len(os.sched_getaffinity(0))
    size = arguments.batch_size
    array = ArrayDataset(memory.take(np.arange(len(memory)))["image"], memory.labels)
    in_memory = {
        "ferjax, in memory": train_batches(memory, batch_size=size, seed=0),
        "DataLoader, array": torch_batches(array, size, 0),
        f"DataLoader, array, {cores} workers": torch_batches(array, size, cores),
    }
    encoded = {
        "ferjax, stream": train_batches(stream, batch_size=size, seed=0),
        f"ferjax, stream, {cores} workers": train_batches(stream, batch_size=size, seed=0, workers=cores),
        "DataLoader, PNG files": torch_batches(files, size, 0),
        f"DataLoader, PNG files, {cores} workers": torch_batches(files, size, cores),
        "ferjax, in memory": train_batches(memory, batch_size=size, seed=0),
    }
    rows = []
    # Ten times as many images where a turn would be over before the machine has noticed.
    for title, contenders, epochs in (("images in memory", in_memory, 10), ("images encoded", encoded, 1)):
        steps = max(1, epochs * len(memory) // size)
        runs = {name: draw(batches, steps, size) for name, batches in contenders.items()}
        rows += measure.table(title, steps * size, measure.interleaved(runs, arguments.rounds))
        for batches in contenders.values():
            batches.close()
    return rows


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=4000, help="in the set")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", default="benchmarks/results/input_pipeline.json")
    arguments = parser.parse_args()
    flags.FLAGS.mark_as_parsed()  # Grain's workers ask for absl flags

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / "fer2013.csv", arguments.images)
        builders.build(builders.create("fer2013", folder / "built", manual_dir=folder))
        memory, stream = (
            load("fer2013", "train", folder / "built", val_fraction=0, cache=cache)
            for cache in ("memory", "stream")
        )
        paths = [folder / f"{i:06d}.png" for i in range(len(memory))]
        for i, path in enumerate(paths):
            path.write_bytes(encode_png(memory[i]["image"]))
        rows = compare(memory, stream, FileDataset(paths, memory.labels, "L"), arguments)
    measure.record("input_pipeline", rows, PACKAGES, arguments.json)


if __name__ == "__main__":
    main()
