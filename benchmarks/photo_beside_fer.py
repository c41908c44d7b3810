"""One photograph, warm: ferjax's way from its pixels to the expressions on it, beside PyPI fer's.

    python -m benchmarks.photo_beside_fer --fer_python=PYTHON [--photo FILE] [--rounds 3] [--calls 30]
                                          [--json FILE]

PYTHON is that of an environment with `fer`, which wants TensorFlow and so has one of its own (release 25.10.3
also setuptools below 81 and OpenCV below 5). Both sides get
the decoded photograph (scikit-image's astronaut without --photo), find its faces and name their expressions,
each with what its package takes by itself: fer with the Haar cascade and its int8 network, ferjax with its
detector, the shipped network and the faster engine. They take turns, each turn a process of its own whose
first calls do not count.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage import data as photographs

from benchmarks import command_line, measure
from ferjax.deploy import engines
from ferjax.deploy.faces import Detector
from ferjax.inference import pictures
from ferjax.inference.open_run import open_network
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "onnxruntime")
_UNCOUNTED = 5
# Runs in fer's environment, which has nothing of ferjax: photograph, calls → seconds of each and the faces.
_FER = f"""
import json, sys, time
import numpy as np
from fer.fer import FER
photo = np.ascontiguousarray(np.load(sys.argv[1])[..., ::-1])
network = FER()
seconds = []
for _ in range({_UNCOUNTED} + int(sys.argv[2])):
    start = time.perf_counter()
    faces = network.detect_emotions(photo)
    seconds.append(time.perf_counter() - start)
print(json.dumps({{"seconds": seconds[{_UNCOUNTED}:], "faces": len(faces)}}))
"""


def ours() -> Callable[[np.ndarray], int]:
    """What `predict` does with a picture; returns the number of faces."""
    process.prepare()
    keep_compiled()
    network, detector = engines.classifier(open_network("faces")), Detector()

    def answer(photo: np.ndarray) -> int:
        faces = network.preprocess(detector.cut(photo, network.margin))
        return len(network.answers(faces).probabilities)

    return answer


def timed(answer: Callable[[np.ndarray], int], photo: np.ndarray, calls: int) -> dict:
    """The seconds of each call, and how many faces were found."""
    seconds, faces = [], 0
    for _ in range(_UNCOUNTED + calls):
        start = time.perf_counter()
        faces = answer(photo)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[_UNCOUNTED:], "faces": faces}


def turn(command: list[str]) -> dict:
    """What a process prints last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {(done.stderr.strip().splitlines() or ['nothing told'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--fer_python", help="the interpreter of an environment with fer")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--only_ours", type=Path, help="a turn of ferjax with the pixels in this .npy file")
    parser.add_argument("--json", default="benchmarks/results/photo_beside_fer.json")
    args = parser.parse_args()
    if args.only_ours:
        print(json.dumps(timed(ours(), np.load(args.only_ours), args.calls)))
        return
    if not args.fer_python:
        parser.error("--fer_python is missing: python -m venv FOLDER, and in it pip install fer")
    photo = pictures.read(args.photo) if args.photo else photographs.astronaut()
    found: dict[str, list[dict]] = {"ferjax": [], "fer": []}
    with tempfile.TemporaryDirectory() as folder:
        pixels = Path(folder) / "photo.npy"
        np.save(pixels, photo)
        for _ in range(args.rounds):
            own = [sys.executable, "-m", "benchmarks.photo_beside_fer", f"--only_ours={pixels}"]
            found["ferjax"].append(turn([*own, f"--calls={args.calls}"]))
            found["fer"].append(turn([args.fer_python, "-c", _FER, str(pixels), str(args.calls)]))
    seconds = {side: [s for turn in turns for s in turn["seconds"]] for side, turns in found.items()}
    height, width = photo.shape[:2]
    rows = measure.table(f"a photograph of {width}×{height}", 1, seconds)
    faces = {side: turns[0]["faces"] for side, turns in found.items()}
    print(f"faces found: {faces}")
    measure.record("photo_beside_fer", [{**row, "faces": faces} for row in rows], PACKAGES, args.json)


if __name__ == "__main__":
    main()
