"""Ten million small images: indexed, started, resumed by other numbers of hosts; how well they are shuffled.

    python -m benchmarks.many_images [--images 10002432] [--folder DIR] [--json FILE]

The set is made once in the folder (3 GB; `folder/many`, with the description and the shards of ferjax's
own builder, 4,096 records each): 409,600 different images of 16×16 pixels in 100 shards, which are copied
until there are as many as are wanted. Each measurement is a process of its own, whose largest resident
memory and processor seconds are told. The aims for a start are 30 s and 2 GiB a host.
"""

import hashlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image

from benchmarks import command_line, measure
from ferjax.data import builders, load
from ferjax.data.balance import Once
from ferjax.data.builders.shards import SHARD_EXAMPLES, ExampleWriter, SplitWriter, shard_path, template
from ferjax.data.described import describe
from ferjax.data.fingerprints import pixel_hashes
from ferjax.data.labels import FER7
from ferjax.data.pipeline import train_batches
from ferjax.data.records import Records

PACKAGES = ("grain", "array_record", "numpy", "tensorflow-datasets", "jax")
NAME, SIDE, BATCH = "folder/many", 16, 1024
SHARDS_A_TASK, DIFFERENT_SHARDS = 10, 100


def png(number: int) -> bytes:
    """A grey PNG of 16×16 pixels, another one for each number."""
    row = np.frombuffer(hashlib.blake2b(number.to_bytes(8, "little"), digest_size=SIDE).digest(), np.uint8)
    pixels = np.repeat(row[None], SIDE, 0)
    scanlines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum_)

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(scanlines, 1)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_shards(folder: Path, first: int, end: int) -> None:
    """Writes the training shards first … end − 1."""
    from tensorflow_datasets.proto import tf_example_pb2

    info = describe(NAME, folder)
    empty = dict.fromkeys(("group", "id"), "") | {"attributes": "{}", "label": 0, "image": png(0)}
    written = ExampleWriter(info.features)({**empty, "valence": np.nan, "arousal": np.nan})
    generated: Any = tf_example_pb2
    example = generated.Example.FromString(written)
    feature = example.features.feature

    def serialize(item: Mapping) -> bytes:
        number = item["number"]
        feature["image"].bytes_list.value[0] = png(number)
        feature["label"].int64_list.value[0] = item["label"]
        feature["id"].bytes_list.value[0] = b"%08d" % number
        return example.SerializeToString()

    files = template("folder", folder, "train")
    writer = SplitWriter(lambda number: shard_path(files, first + number), serialize)
    for number in range(first * SHARD_EXAMPLES, end * SHARD_EXAMPLES):
        writer.write({"number": number, "label": number % len(FER7)})
    writer.finish()


def make(folder: Path, count: int) -> None:
    """Makes the set: described by ferjax's own builder, with a training split of `count` images."""
    for split in ("train", "validation", "test"):
        for number, label in enumerate(FER7):
            path = folder / "images" / split / label / f"{split}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            colour = hashlib.blake2b(path.name.encode(), digest_size=1).digest()[0]
            Image.new("L", (SIDE, SIDE), colour).save(path)
    builders.build(builders.create(NAME, folder, manual_dir=folder / "images"))
    built = builders.folder(NAME, folder)
    shards = count // SHARD_EXAMPLES
    different = min(shards, DIFFERENT_SHARDS)
    starts = range(0, different, SHARDS_A_TASK)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        ends = [min(start + SHARDS_A_TASK, different) for start in starts]
        list(pool.map(partial(write_shards, built), starts, ends))
    files = template("folder", built, "train")
    for number in range(different, shards):
        shutil.copyfile(shard_path(files, number % different), shard_path(files, number))
    description = json.loads((built / "dataset_info.json").read_text())
    train = next(split for split in description["splits"] if split["name"] == "train")
    train["shardLengths"] = [str(SHARD_EXAMPLES)] * shards
    train["numBytes"] = str(sum(path.stat().st_size for path in built.glob("*-train.array_record-*")))
    (built / "dataset_info.json").write_text(json.dumps(description, indent=2))


def resources() -> dict:
    """Processor seconds and the largest resident memory of this process and of those that it ended."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return {
        "processor_seconds": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
        "peak_GiB": int(peak[1]) / 2**20,
        "peak_GiB_of_another": others.ru_maxrss / 2**20,
        # Of all programs of the machine: where it is above the number of cores, seconds are longer.
        "load_average": os.getloadavg()[0],
    }


def index(folder: Path) -> dict:
    """Reads every record once: labels, groups and the digest."""
    records = Records(NAME, builders.folder(NAME, folder), "train")
    records.scan()
    path = builders.folder(NAME, folder) / "train.index.npz"
    return {"images": len(records), "bytes_an_image": path.stat().st_size / len(records), **resources()}


def hashes(folder: Path) -> dict:
    """Decodes every image once, for finding copies of test images."""
    records = Records(NAME, builders.folder(NAME, folder), "train")
    pixel_hashes(records)
    path = builders.folder(NAME, folder) / "train.pixels.npz"
    return {"bytes_an_image": path.stat().st_size / len(records), **resources()}


def batches(
    folder: Path, process: int, processes: int, parts: int, workers: int, middle: bool
) -> tuple[dict, list[bytes]]:
    """Opens the set and takes two batches; also returns the pixels of each, hashed row by row."""
    flags.FLAGS.mark_as_parsed()  # Grain's workers ask for it
    began = time.perf_counter()
    source = load(NAME, "train", folder, cache="stream", image_size=SIDE)
    opened = time.perf_counter() - began
    step = len(source) // BATCH // 2 if middle else 0
    made = train_batches(
        source,
        batch_size=BATCH,
        seed=0,
        start_step=step,
        process_index=process,
        process_count=processes,
        workers=workers,
        parts=parts,
    )
    rows = [next(made)["image"]]
    first = time.perf_counter() - began
    rows.append(next(made)["image"])
    made.close()
    hashed = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for two in rows for image in two]
    return {"open_seconds": opened, "first_batch_seconds": first, **resources()}, hashed


def alone(function: Callable, *arguments: object) -> tuple[Any, float]:
    """Calls a function in a process of its own; returns the answer and the seconds, its start included."""
    began = time.perf_counter()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        answer = pool.submit(function, *arguments).result()
        return answer, time.perf_counter() - began


def starts(folder: Path) -> Iterator[dict]:
    """Starts and resumes the pipeline with other numbers of hosts; their batches must be the same."""
    for parts, middle, numbers in ((1, False, (1,)), (1, True, (1, 2, 4)), (4, True, (1, 4))):
        seen = {}
        for hosts in numbers:
            hashed: list[list[bytes]] = []
            for host in range(hosts):
                (found, images), seconds = alone(batches, folder, host, hosts, parts, 0, middle)
                hashed.append(images)
                what = "resume in the middle of an epoch" if middle else "start"
                yield {
                    "what": what, "hosts": hosts, "host": host, "shuffle_parts": parts, "seconds": seconds,
                    **found,
                }  # fmt: skip
            half = len(hashed[0]) // 2
            seen[hosts] = [image for two in (0, 1) for one in hashed for image in one[two * half :][:half]]
        if any(images != seen[1] for images in seen.values()):
            raise SystemExit(f"the batches of {numbers} hosts differ")
    (found, _), seconds = alone(batches, folder, 0, 1, 1, 2, False)
    yield {"what": "start with 2 worker processes", "hosts": 1, "seconds": seconds, **found}


def shuffling(count: int) -> dict:
    """How far the visited order of an epoch is from the stored one, beside what chance gives."""
    order = Once(count).order(0, 0)
    apart = np.abs(np.diff(order)) / count
    where = np.empty(count, np.int64)
    where[order] = np.arange(count)
    return {
        "what": "shuffle",
        "correlation_with_the_stored_order": float(np.corrcoef(order, np.arange(count))[0, 1]),
        "by_chance_below": 2 / count**0.5,
        "mean_distance_of_two_in_a_row": float(apart.mean()),
        "distance_by_chance": 1 / 3,
        "stored_neighbours_in_one_batch": float((np.diff(where // BATCH) == 0).mean()),
        "in_one_batch_by_chance": (BATCH - 1) / (count - 1),
    }


def training(folder: Path, workdir: Path) -> dict:
    """Starts the command, or goes on, and stops it after a step; tells when, and its largest memory."""
    command = [
        sys.executable, "-m", "ferjax", "train", "--config=fer_cnn", f"--workdir={workdir}", "--noreport",
        f"--config.data.name={NAME}", f"--config.data.dir={folder}", f"--config.data.image_size={SIDE}",
        "--config.data.cache=stream", f"--config.train.batch_size={BATCH}", "--config.train.log_every=1",
    ]  # fmt: skip
    began, first, lines = time.perf_counter(), None, []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "JAX_PLATFORMS": "cpu"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if first is None and re.match(r"step +[\d,]+/", line):
                first = time.perf_counter() - began
                process.terminate()
        if process.wait() != 128 + signal.SIGTERM or first is None:
            raise SystemExit("".join(lines[-20:]))
    return {"first_step_seconds": first, "seconds": time.perf_counter() - began, **resources()}


def measured(folder: Path, workdir: Path, count: int) -> Iterator[dict]:
    """Takes every measurement, one after the other."""
    found, seconds = alone(index, folder)
    yield {"what": "index", "seconds": seconds, **found}
    yield from starts(folder)
    yield shuffling(count)
    found, seconds = alone(hashes, folder)
    yield {"what": "hashes of all images", "seconds": seconds, **found}
    for what in ("train: start", "train: resume"):
        yield {"what": what, **alone(training, folder, workdir)[0]}


def main() -> None:
    """Makes the set if it is not there, measures and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=10_002_432)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--json", default="benchmarks/results/many_images.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary)
        built = builders.folder(NAME, folder)
        if not built.exists():
            make(folder, args.images)
        shards = list(built.glob("*-train.array_record-*"))
        size, count = sum(path.stat().st_size for path in shards), len(shards) * SHARD_EXAMPLES
        rows = [{"what": "set", "images": count, "shards": len(shards), "bytes": size}]
        for row in measured(folder, Path(temporary) / "run", count):
            print(json.dumps(row), flush=True)
            rows.append(row)
            measure.record("many_images", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
