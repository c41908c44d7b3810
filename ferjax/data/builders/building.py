"""Builds a data set, and explains in one line why the disk would not take it."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.files import DISK_ERRORS, disk_trouble


def build(builder: Any, beam: Mapping[str, str] | None = None) -> None:
    """Builds a set unless it is built already, see `build_once`.

    Args:
        builder: the set's, see `ferjax.data.builders.create`.
        beam: options of the Apache Beam pipeline that builds it, none of them needed; None builds in one
            pass. Both give the same files.

    Raises:
        UserError: the disk is full or must not be written to, or Apache Beam is not installed. Nothing
            half-built is left.
    """
    from ferjax.data.builders.build_once import build_once  # imports TFDS

    config = None
    if beam is not None:
        from ferjax.data.builders.beam_pipeline import configuration  # an optional extra

        config = configuration(beam)
    try:
        build_once(builder, config)
    except (OSError, RuntimeError) as error:
        # A --data_dir that is a file gives the last two. ArrayRecord's writer raises RuntimeErrors.
        trouble = disk_trouble(error, (*DISK_ERRORS, errno.EEXIST, errno.ENOTDIR))
        if trouble is None:
            raise
        name = getattr(error, "filename", None)
        root = builder.data_dir_root
        # It may also be a file of the user's that ferjax may not read.
        advice = "; --data_dir names another folder" if Path(name or root).is_relative_to(root) else ""
        raise UserError(
            f"cannot build {builder.name} in {root}: {trouble}{f' ({name})' if name else ''}{advice}"
        ) from error
