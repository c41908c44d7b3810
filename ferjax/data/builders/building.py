"""Builds a data set, and explains in one line why the disk would not take it."""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferjax.data.builders import catalogue
from ferjax.errors import UserError
from ferjax.files import DISK_ERRORS, disk_trouble


def build(builder: Any, beam: Mapping[str, str] | None = None) -> bool:
    """Builds a set unless it is built already, see `build_once`.

    Args:
        builder: the set's, see `ferjax.data.builders.create`.
        beam: options of the Apache Beam pipeline that builds it, none of them needed; None builds in one
            pass. Both give the same files.

    Returns:
        Whether this call built it.

    Raises:
        UserError: the disk is full or must not be written to, or Apache Beam is not installed. Nothing
            half-built is left.
    """
    from ferjax.data.builders.build_once import build_once  # imports TFDS

    config = _configuration(beam)
    with _explained(builder.name, Path(builder.data_dir_root)):
        return build_once(builder, config)


def rebuild(
    name: str,
    data_dir: str | os.PathLike | None,
    damaged: os.stat_result,
    beam: Mapping[str, str] | None = None,
    **arguments: Any,
) -> bool:
    """Builds a damaged set again, and replaces it once the new one is whole, see `rebuild_once`.

    Args:
        name: see `ferjax.data.builders.catalogue.find`.
        data_dir: see `ferjax.data.builders.catalogue.data_root`.
        damaged: the status of the set's folder when the damage was found.
        beam: see `build`.
        **arguments: see `ferjax.data.builders.create`.

    Returns:
        Whether this call built it.

    Raises:
        UserError: as for `build`; the damaged set is then as it was.
    """
    from ferjax.data.builders.build_once import rebuild_once  # imports TFDS

    config = _configuration(beam)
    with _explained(name, catalogue.building_root(data_dir)):
        return rebuild_once(
            lambda place: catalogue.create(name, place, **arguments),
            catalogue.folder(name, data_dir),
            damaged,
            config,
        )


def _configuration(beam: Mapping[str, str] | None) -> Any:
    if beam is None:
        return None
    from ferjax.data.builders.beam_pipeline import configuration  # an optional extra

    return configuration(beam)


@contextlib.contextmanager
def _explained(name: str, root: Path) -> Iterator[None]:
    """Turns what the disk refuses into a UserError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # A --data_dir that is a file gives the last two. ArrayRecord's writer raises RuntimeErrors.
        trouble = disk_trouble(error, (*DISK_ERRORS, errno.EEXIST, errno.ENOTDIR))
        if trouble is None:
            raise
        file = getattr(error, "filename", None)
        # It may also be a file of the user's that ferjax may not read.
        advice = "; --data_dir names another folder" if Path(file or root).is_relative_to(root) else ""
        raise UserError(
            f"cannot build {name} in {root}: {trouble}{f' ({file})' if file else ''}{advice}"
        ) from error
