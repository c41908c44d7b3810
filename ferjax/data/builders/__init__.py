"""The table of data sets: a name, and the builder that it stands for (imported when asked for)."""

import errno
import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError, nearest

# name → (module, class, TFDS config)
TABLE: dict[str, tuple[str, str, str | None]] = {
    "fer2013": ("ferjax.data.builders.fer2013", "FER2013", None),
    "toons/avataaars": ("ferjax.data.builders.toons", "Toons", "avataaars"),
    "toons/avataaars_noisy": ("ferjax.data.builders.toons", "Toons", "avataaars_noisy"),
    "toons/open_peeps": ("ferjax.data.builders.toons", "Toons", "open_peeps"),
    "ferplus": ("ferjax.data.builders.ferplus", "FERPlus", None),
    "rafdb": ("ferjax.data.builders.rafdb", "RAFDB", None),
    "affectnet7": ("ferjax.data.builders.affectnet", "AffectNet7", None),
    "affectnet8": ("ferjax.data.builders.affectnet", "AffectNet8", None),
    "expw": ("ferjax.data.builders.expw", "ExpW", None),
    "ckplus": ("ferjax.data.builders.ckplus", "CKPlus", None),
    "jaffe": ("ferjax.data.builders.jaffe", "JAFFE", None),
    "ferg": ("ferjax.data.builders.ferg", "FERG", None),
    "taiwan": ("ferjax.data.builders.taiwan", "Taiwan", None),
    "folder": ("ferjax.data.builders.own_folder", "Folder", None),
}
# folder/NAME stands for any number of sets: the user has more than one folder.
_FOLDER = re.compile(r"folder/([a-z0-9][a-z0-9_-]*)")

_DISK_TROUBLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EEXIST, errno.ENOTDIR,
)  # fmt: skip


def data_root(data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder of the built sets: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def builder_class(name: str) -> Any:
    """Returns the TFDS builder class of a data set.

    Raises:
        UserError: no set has this name; the nearest names are told.
    """
    if own := _FOLDER.fullmatch(name):
        return importlib.import_module(TABLE["folder"][0]).called(own[1])
    if name not in TABLE:
        raise UserError(
            f"there is no data set {name!r}; the nearest names are {nearest(name, sorted(TABLE))}"
        )
    module, cls, _ = TABLE[name]
    return getattr(importlib.import_module(module), cls)


def folder(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Returns the folder of a data set once it is built. See `data_root` for the default of `data_dir`."""
    builder = builder_class(name)
    return data_root(data_dir) / builder.name / (_config(name) or "") / str(builder.VERSION)


def create(name: str, data_dir: str | os.PathLike | None = None, **options: Any) -> Any:
    """Makes the TFDS builder of a data set. Nothing is built yet.

    Args:
        name: a key of `TABLE`, or folder/NAME.
        data_dir: see `data_root`.
        **options: for licensed sets `manual_dir`, `skip_bad_rows` and `options`, see `LicensedBuilder`.
    """
    if config := _config(name):
        options["config"] = config
    return builder_class(name)(data_dir=data_root(data_dir), file_format="array_record", **options)


def _config(name: str) -> str | None:
    own = _FOLDER.fullmatch(name)
    return own[1] if own else TABLE[name][2]


def build(builder: Any, beam: Mapping[str, str] | None = None) -> None:
    """Builds a set unless it is built already, see `build_once`.

    Args:
        builder: of the set.
        beam: options of the Apache Beam pipeline that builds it, none of them needed; None builds in one
            pass. Both give the same files.

    Raises:
        UserError: the disk is full or may not be written to, or Apache Beam is not installed. Nothing
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
        told = disk_trouble(error)
        if told is None:
            raise
        name = getattr(error, "filename", None)
        root = builder.data_dir_root
        # It may also be a file of the user's that may not be read.
        advice = "; --data_dir names another folder" if Path(name or root).is_relative_to(root) else ""
        raise UserError(
            f"cannot build {builder.name} in {root}: {told}{f' ({name})' if name else ''}{advice}"
        ) from error


def disk_trouble(error: OSError | RuntimeError) -> str | None:
    """The system's words for a disk that is full or may not be written to; None for any other error."""
    # ArrayRecord's writer raises a RuntimeError that holds these words.
    return next((os.strerror(code) for code in _DISK_TROUBLE if os.strerror(code) in str(error)), None)
