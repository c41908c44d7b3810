"""Builds a TFDS data set once, however many processes ask for it at the same time."""

import contextlib
import fcntl
import io
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from ferjax.errors import UserError


def build_once(builder: tfds.core.DatasetBuilder, config: tfds.download.DownloadConfig | None = None) -> bool:
    """Builds a data set unless it is there already; afterwards the builder can read it.

    TFDS builds in a folder of another name and renames it at the end, so that a half-built set is never
    taken for a whole one. A lock on a file beside the set makes other processes wait, and find it built.

    Args:
        builder: any TFDS builder. TFDS's own banners and bars are silenced: a builder that takes long shows
            its own bar.
        config: how to build, see `ferjax.data.builders.beam_pipeline.configuration`; in one pass if left out.

    Returns:
        Whether this call built it.

    Raises:
        UserError: the set's folder is a link that leads nowhere.
    """
    folder = Path(builder.data_path)
    if folder.exists():
        return False
    if folder.is_symlink():
        raise UserError(f"{folder} is a link that leads nowhere: remove it, or mount what it leads to")
    with _locked(Path(builder.data_dir_root), builder.name):
        if folder.exists():
            builder.info.read_from_directory(builder.data_dir)
            return False
        # Nobody else builds now, so what has TFDS's name of a half-built set is left from a killed build.
        for leftover in builder.data_path.parent.glob("incomplete.*"):
            leftover.rmtree()
        with _quiet():
            builder.download_and_prepare(download_config=config)
        _sweep(folder)
    return True


def rebuild_once(
    create: Callable[[Path], tfds.core.DatasetBuilder],
    folder: Path,
    damaged: os.stat_result,
    config: tfds.download.DownloadConfig | None = None,
) -> bool:
    """Builds a set again beside the damaged one, and then puts it into its place.

    If the build fails or is killed, the damaged one stays as it is. Where `folder` is a link, what it leads
    to is replaced.

    Args:
        create: a folder of built sets → the builder that builds there.
        folder: of the damaged set, `DATA_DIR/NAME/[CONFIG/]VERSION`.
        damaged: the status of that folder when the damage was found; another process may have replaced it.
        config: see `build_once`.

    Returns:
        Whether this call built it.
    """
    place = folder.resolve()
    beside = place.with_name(f".{place.name}.rebuilt.{uuid.uuid4().hex}")
    builder: Any = create(beside)
    root = folder.parents[len(Path(builder.data_path).relative_to(beside).parts) - 1]
    with _locked(root, builder.name):
        if not place.exists() or not os.path.samestat(place.stat(), damaged):
            return False
        try:
            with _quiet():
                builder.download_and_prepare(download_config=config)
            old = beside / "damaged"
            place.rename(old)
            try:
                Path(builder.data_path).rename(place)
            except BaseException:
                old.rename(place)
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        _sweep(place)
    return True


@contextlib.contextmanager
def _locked(root: Path, name: str) -> Iterator[None]:
    """Waits until no other process builds a set of this name below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f".{name}.lock", "w") as lock:
        # The lock goes when the file is closed or the process dies, whichever comes first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    """Removes what killed calls of `rebuild_once` left. Only now, as it may have been the last copy."""
    for leftover in folder.parent.glob(f".{folder.name}.rebuilt.*"):
        shutil.rmtree(leftover, ignore_errors=True)


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
