"""Small faces in large pictures: how many are found, with and without tiles, and the time it takes.

    python -m benchmarks.faces [--rounds 3] [--json FILE]

Pictures of several sizes with a background of random texture and twelve heads in them, whose faces are 60 to
120 pixels high: Eileen Collins (NASA, shipped with scikit-image) and Grace Hopper (US Navy, shipped with
Matplotlib), both in the public domain.
"""

import time

import numpy as np
from matplotlib import cbook
from PIL import Image
from skimage import data as photographs

from benchmarks import command_line, measure
from ferjax.deploy.faces import TILES, Detector
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "numpy", "pillow", "scikit-image", "matplotlib")
SHAPES = ((2160, 3840), (3000, 4000), (1080, 1920))
FACES, ROWS, COLUMNS = 12, 3, 4
SMALLEST, LARGEST = 60, 120
ROOM = 1.5  # side of a head's square by the height of its face


def heads() -> list[Image.Image]:
    """A square around each of the two heads."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    found = []
    for image, (left, top, right, bottom) in (
        (Image.fromarray(photographs.astronaut()), (178, 63, 267, 175)),
        (hopper, (182, 121, 353, 332)),
    ):
        x, y, half = (left + right) / 2, (top + bottom) / 2, ROOM * (bottom - top) / 2
        found.append(image.crop((int(x - half), int(y - half), int(x + half), int(y + half))))
    return found


def texture(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Random colours at three sizes."""
    total = np.zeros((height, width, 3), np.uint16)
    for size in (4, 16, 64):
        coarse = rng.integers(0, 256, (height // size + 2, width // size + 2, 3), np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray((total // 3).astype(np.uint8))


def crowd(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, list[tuple[float, ...]]]:
    """A picture, and the middle and the height of each of its faces."""
    height, width = shape
    picture, places, people = texture(rng, *shape), [], heads()
    for index in range(FACES):
        size = SMALLEST + (LARGEST - SMALLEST) * index / (FACES - 1)
        side = round(ROOM * size)
        row, column = divmod(index, COLUMNS)
        x = column * width // COLUMNS + int(rng.integers(0, width // COLUMNS - side))
        y = row * height // ROWS + int(rng.integers(0, height // ROWS - side))
        head = people[index % 2].resize((side, side), Image.Resampling.LANCZOS)
        picture.paste(head.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if index % 3 else head, (x, y))
        places.append((x + side / 2, y + side / 2, size))
    return np.asarray(picture), places


def main() -> None:
    """Measures and prints."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/faces.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    detector, rng, rows = Detector(), np.random.default_rng(0), []
    detector.find(photographs.astronaut())  # compiles
    for shape in SHAPES:
        pictures = [crowd(rng, shape) for _ in range(args.rounds)]
        for tiles in (0, TILES):
            hits, extra, wall, processor = 0, 0, [], []
            for picture, places in pictures:
                wall_start, processor_start = time.perf_counter(), time.process_time()
                boxes = np.array([face.box for face in detector.find(picture, tiles)]).reshape(-1, 4)
                wall.append(time.perf_counter() - wall_start)
                processor.append(time.process_time() - processor_start)
                middles = (boxes[:, :2] + boxes[:, 2:]) / 2
                near = [(np.abs(middles - place[:2]) < place[2] / 3).all(-1).any() for place in places]
                hits, extra = hits + sum(near), extra + len(boxes) - sum(near)
            row = {"what": f"{shape[1]}×{shape[0]}, {tiles} tiles", "faces": FACES * args.rounds}
            row |= {"found": int(hits), "found where none is": int(extra)}
            row |= {"seconds": round(float(np.median(wall)), 2)}
            rows.append(row | {"processor seconds": round(float(np.median(processor)), 2)})
            print(rows[-1], flush=True)
    measure.record("faces", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
