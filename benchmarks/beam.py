"""Building a large set of image files: in one pass, and under Apache Beam's local runner; the same bytes.

    python -m benchmarks.beam [--images 50000] [--workers 0] [--json FILE]

Needs the extra ferjax[beam]. The images are generated JPEG files of 224×224 in AffectNet's layout of 2021,
one in a thousand of them cut off. Both builds run as commands of their own. Peak memory is that of the
largest process.
"""

import hashlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import command_line, measure
from ferjax.data import builders
from ferjax.data.sets.affectnet import AFFECTNET_CODES

PACKAGES = ("apache-beam", "array_record", "numpy", "pillow", "tensorflow-datasets")
SIZE = 224
TEST_SHARE = 50  # one image in so many goes to the official validation set
DAMAGED = 1000  # one file in so many is cut off


def write_set(folder: Path, count: int) -> None:
    """Writes AffectNet's layout: smooth random pictures of a few hundred kinds, each with its own corner."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(256):
        coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        kinds.append(np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).copy())
    codes = list(AFFECTNET_CODES)
    for place in ("train_set", "val_set"):
        for part in ("images", "annotations"):
            (folder / place / part).mkdir(parents=True)
    for index in range(count):
        pixels = kinds[index % len(kinds)]
        pixels[:8, :8] = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        encoded = buffer.getvalue()
        place = folder / ("val_set" if index % TEST_SHARE == 0 else "train_set")
        cut = len(encoded) // 2 if index % DAMAGED == 1 else len(encoded)
        (place / "images" / f"{index}.jpg").write_bytes(encoded[:cut])
        np.save(place / "annotations" / f"{index}_exp.npy", np.array(codes[index % len(codes)]))


def build(manual: Path, data: Path, *flags: str) -> dict[str, float]:
    """Runs the command once: its seconds, and the largest resident memory of any of its processes."""
    arguments = ["prepare", "affectnet8", f"--manual_dir={manual}", f"--data_dir={data}", *flags]
    start = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "ferjax", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"the build failed with status {status}")
    return {"seconds": time.perf_counter() - start, "peak_memory_bytes": usage.ru_maxrss * 1024}


def digests(data: Path) -> dict[str, str]:
    """File → SHA-256, of the built set as far as the build writes it."""
    files = sorted(builders.folder("affectnet8", data).iterdir())
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix != ".npz"
    }


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=0, help="processes under Beam; 0: one a core")
    parser.add_argument("--json", default="benchmarks/results/beam.json")
    args = parser.parse_args()
    runs = {"one pass": (), "Apache Beam": ("--beam", f"--beam_option=direct_num_workers={args.workers}")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_set(folder / "manual", args.images)
        rows, found = [], []
        for place, (what, flags) in enumerate(runs.items()):
            row = {
                "run": what,
                "images": args.images,
                **build(folder / "manual", folder / str(place), *flags),
            }
            found.append(digests(folder / str(place)))
            row["images_per_second"] = args.images / row["seconds"]
            row["shards"] = sum("array_record" in name for name in found[-1])
            rows.append(row)
            print(
                f"{what:12s} {row['seconds']:7.1f} s {row['images_per_second']:7.0f} images/s "
                f"{row['peak_memory_bytes'] / 2**20:6.0f} MiB, {row['shards']} shards",
                flush=True,
            )
    same = found[0] == found[1]
    print("the files are the same, byte for byte" if same else "the files DIFFER")
    measure.record("beam", [*rows, {"what": "same files", "same": same}], PACKAGES, args.json)
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
