"""A progress bar for work that other processes do: it counts the files that are there."""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping

from tqdm import tqdm

_WATCH_SECONDS = 0.5


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

    with tqdm(total=sum(files.values()), desc=title, unit=f" {unit}") as bar:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        bar.update(bar.total - bar.n)
