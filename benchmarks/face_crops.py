"""How the detector's box lies to a data set's crop, and which margin around it the network reads best.

    python -m benchmarks.face_crops --workdir=RUN --images='fer2013/**/PublicTest_*.jpg' [--count 600]

Each image is a face that the set has cut out. It is enlarged, laid onto a grey square and searched for. The
record says where the box lies in units of the image's side; and, for margins around the box, with and without
turning the eyes level, how often the network is right, beside what it says of the image as it is. What was
outside the image is unknown and gets the colour of its edge, so wide margins are judged harshly. A label is
the name of an image's folder. Only numbers are recorded.
"""

import glob
import re
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import command_line, measure
from ferjax.deploy import search
from ferjax.deploy.face import Face, crop
from ferjax.inference import classifier
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "numpy", "pillow")
MARGINS = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
SIDE, EDGE = 160, 80  # pixels of the enlarged image, and around it: together 320, a size that is looked at
SURE = 0.6
_ORIGINAL = re.compile(r"[A-Za-z]+_\d+\.\w+")  # not the images that somebody made from others


def chosen(pattern: str, count: int) -> list[Path]:
    """So many of the images, always the same."""
    paths = sorted(
        path for path in map(Path, glob.glob(pattern, recursive=True)) if _ORIGINAL.fullmatch(path.name)
    )
    picked = np.random.default_rng(0).permutation(len(paths))[:count]
    return [paths[index] for index in sorted(picked)]


def found(image: np.ndarray) -> Face | None:
    """The face in uint8 `[SIDE, SIDE, 3]`, in the pixels of the image with its edge around it."""
    grey = np.full((SIDE + 2 * EDGE, SIDE + 2 * EDGE, 3), 128, np.uint8)
    grey[EDGE:-EDGE, EDGE:-EDGE] = image
    scores, boxes, eyes = search.look(grey)
    best = scores.argmax()
    if scores[best] < SURE:
        return None
    return Face(tuple(boxes[best].tolist()), float(scores[best]), tuple(map(tuple, eyes[best].tolist())))


def level(face: Face) -> Face:
    """The same face, which will not be turned."""
    return face._replace(eyes=((0.0, 0.0), (1.0, 0.0)))


def places(faces: list[Face]) -> list[dict]:
    """Where the boxes lie, in units of the image's side."""
    boxes = (np.array([face.box for face in faces]) - EDGE) / SIDE
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    values = {
        "width of the box": width,
        "height of the box": height,
        "middle of the box, x": (boxes[:, 0] + boxes[:, 2]) / 2,
        "middle of the box, y": (boxes[:, 1] + boxes[:, 3]) / 2,
        "margin that gives the image's side": (1 / np.maximum(width, height) - 1) / 2,
    }
    rows = []
    for name, value in values.items():
        first, median, last = np.percentile(value, [25, 50, 75]).round(3).tolist()
        rows.append({"what": name, "median": median, "quarter below": first, "quarter above": last})
    return rows


def main() -> None:
    """Measures and prints."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--json", default="benchmarks/results/face_crops.json")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()
    network = classifier.load(args.workdir)
    names = {name: index for index, name in enumerate(network.label_names)}
    images, faces, labels, padded = [], [], [], []
    paths = chosen(args.images, args.count)
    for path in paths:
        image = np.asarray(Image.open(path).convert("RGB"))
        large = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        if face := found(large):
            images.append(image)
            faces.append(face)
            labels.append(names[path.parent.name])
            padded.append(np.pad(large, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), mode="edge"))

    def right(crops: list[np.ndarray]) -> float:
        said = network.probabilities(network.preprocess(crops)).argmax(-1)
        return round(float((said == np.array(labels)).mean()), 4)

    rows = [{"what": "images", "count": len(paths)}, {"what": "faces found", "count": len(faces)}]
    rows += places(faces)
    rows.append({"what": "the image as it is", "accuracy": right(images)})
    for margin in MARGINS:
        turned = [crop(image, face, margin) for image, face in zip(padded, faces, strict=True)]
        plain = [crop(image, level(face), margin) for image, face in zip(padded, faces, strict=True)]
        rows.append({"what": "turned level", "margin": margin, "accuracy": right(turned)})
        rows.append({"what": "not turned", "margin": margin, "accuracy": right(plain)})
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    measure.record("face_crops", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
