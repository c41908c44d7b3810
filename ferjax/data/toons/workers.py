"""Draws a split of toons on all cores.

The workers are plain child processes (`python -m` of this file), not `multiprocessing` ones: those would
first run the caller's main program again, which may import JAX or lack the `if __name__ == "__main__"` that
they need.
"""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from ferjax.data.attributes import encode
from ferjax.data.toons.plan import drawn_labels
from ferjax.data.toons.render import draw_example
from ferjax.data.toons.table import STYLES

_IMAGES_WORTH_A_WORKER = 100


class Drawing(NamedTuple):
    """One finished image: its PNG file, its pose (float32 [2, 3]), its parts and attributes as JSON."""

    png: bytes
    pose: np.ndarray
    parts: str
    attributes: str


def available_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def draw_split(
    style: str, split: str, fraction: float = 1.0, workers: int | None = None
) -> Iterator[Drawing]:
    """Draws the images of a split in order.

    Args:
        style: `avataaars` or `open_peeps`.
        split: `train`, `validation` or `test`.
        fraction: of the images, see `class_counts`.
        workers: processes; as many as there are cores and work for them if left out. The images do not depend
            on it.

    Yields:
        The drawings, as many as `drawn_labels` has labels.

    Raises:
        RuntimeError: if a worker dies.
    """
    total = len(drawn_labels(style, split, fraction))
    if workers is None:
        workers = min(available_cores(), total // _IMAGES_WORTH_A_WORKER)
    if workers <= 1:
        yield from _draw_share(style, split, fraction, 0, 1)
        return
    processes = [_start(style, split, fraction, worker, workers) for worker in range(workers)]
    outputs = [process.stdout for process in processes if process.stdout]
    try:
        for index in range(total):
            try:
                yield Drawing(*pickle.load(outputs[index % workers]))
            except EOFError:
                raise RuntimeError(f"a worker that draws toons/{style} died; its error is above") from None
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _start(style: str, split: str, fraction: float, worker: int, workers: int) -> subprocess.Popen:
    # The child sees the packages that this process sees, whatever folder either was started in.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    arguments = [style, split, repr(fraction), str(worker), str(workers)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ferjax.data.toons.workers", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


def _draw_share(style: str, split: str, fraction: float, worker: int, workers: int) -> Iterator[Drawing]:
    """Draws every `workers`-th image, from image number `worker` on."""
    names = STYLES[style].names
    labels = drawn_labels(style, split, fraction)
    for index in range(worker, len(labels), workers):
        pixels, pose, parts, about = draw_example(style, split, index, names[labels[index]])
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        yield Drawing(file.getvalue(), pose, json.dumps(parts, sort_keys=True), encode(about))


def main(arguments: list[str]) -> None:
    """Writes the drawings of one worker's share to stdout, pickled one after the other."""
    # Ctrl-C reaches the parent too, which ends its workers; a parent that was killed ends them by its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    style, split, fraction, worker, workers = arguments
    for drawing in _draw_share(style, split, float(fraction), int(worker), int(workers)):
        pickle.dump(tuple(drawing), sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
