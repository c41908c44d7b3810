"""Builds a TFDS data set once, however many processes ask for it at the same time."""

import contextlib
import fcntl
import io
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from absl import logging


def build_once(builder: tfds.core.DatasetBuilder, config: tfds.download.DownloadConfig | None = None) -> None:
    """Builds a data set unless it is there already; afterwards the builder can read it.

    TFDS builds in a folder of another name and renames it at the end, so that a half-built set is never
    taken for a whole one. A lock on a file beside the set makes other processes wait, and find it built.

    Args:
        builder: any TFDS builder. TFDS's own banners and bars are silenced: a builder that takes long shows
            its own bar.
        config: how to build, see `ferjax.data.builders.beam_pipeline.configuration`; in one pass if left out.
    """
    if builder.data_path.exists():
        return
    root = Path(builder.data_dir_root)
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f".{builder.name}.lock", "w") as lock:
        # The lock goes when the file is closed or the process dies, whichever comes first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if builder.data_path.exists():
            builder.info.read_from_directory(builder.data_dir)
            return
        # Nobody else builds now, so what has TFDS's name of a half-built set is left from a killed build.
        for leftover in builder.data_path.parent.glob("incomplete.*"):
            leftover.rmtree()
        with _quiet():
            builder.download_and_prepare(download_config=config)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TFDS from printing banners on stdout, informing on every step and drawing nested bars."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
