"""Progress bars: of a loop, and of work that other processes do, which counts the files that are there."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tqdm import tqdm

_WATCH_SECONDS = 0.5
# Between two drawings: on a terminal, and in a file, which keeps them all.
_DRAW_SECONDS, _LOG_SECONDS = 0.5, 60.0


def progress(
    title: str,
    unit: str,
    items: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    delay: float = 2.0,
) -> "tqdm[Any]":
    """Returns a bar with the time left, on stderr; a new line of it every minute where that is a file.

    Args:
        title: before the bar.
        unit: of what is counted, plural.
        items: to loop over; None where `update` counts.
        total: how many there are, where `items` does not know.
        delay: seconds before it appears: work that is done by then shows none.
    """
    seconds = _DRAW_SECONDS if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(items, desc=title, unit=f" {unit}", total=total, delay=delay, mininterval=seconds)


@contextlib.contextmanager
def watched(files: Mapping[str, int], title: str, unit: str) -> Iterator[None]:
    """Shows a bar with the time left, which counts the files that have appeared, and is full at the end.

    Args:
        files: path → how much it counts.
        title: before the bar.
        unit: of the counts.
    """
    done = threading.Event()

    def watch() -> None:
        left = dict(files)
        while not done.wait(_WATCH_SECONDS):
            for path in [path for path in left if os.path.exists(path)]:
                bar.update(left.pop(path))

    with progress(title, unit, total=sum(files.values()), delay=0) as bar:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        bar.update(bar.total - bar.n)
