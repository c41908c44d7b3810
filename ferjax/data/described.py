"""Reads the description of a built set, which anybody may have edited: checked before it is believed."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferjax.errors import UserError

# TFDS writes a few kilobytes.
MOST_BYTES = 2**24
_FEATURES = "tensorflow_datasets.core.features."


class DamagedSetError(UserError):
    """A built set that can only be built again."""


def damaged(name: str, folder: str | os.PathLike, why: object) -> DamagedSetError:
    """Returns the error for a set that is damaged; `why` is cut to a few words of one line."""
    reason = " ".join(str(why).split())
    reason = reason if len(reason) <= 120 else reason[:119] + "…"
    return DamagedSetError(
        f"the data set {name} in {folder} is damaged ({reason}); "
        f"build it again: python -m ferjax prepare {name} (and --manual_dir=FOLDER if it is licensed)"
    )


def describe(name: str, folder: str | os.PathLike) -> Any:
    """Returns the `tfds.core.DatasetInfo` of a built set.

    Its `metadata` holds `bad_rows`, `notes` and `options` as `LicensedBuilder` wrote them, if they are there.

    Raises:
        DamagedSetError: a file of it is missing, damaged, or says what no built set says.
        UserError: it may not be read, and is perhaps whole.
    """
    import tensorflow_datasets as tfds  # half a second that `import ferjax.data` need not pay

    _check_readable(Path(folder))
    try:
        _check_plain(Path(folder))
        _check_classes(Path(folder) / "features.json")
        info = tfds.builder_from_directory(folder).info
        _check(info)
        # TFDS calls classes without names 0, 1, …; builders of the user's own may mean that.
        if ":" not in name and not (Path(folder) / "label.labels.txt").is_file():
            raise ValueError("label.labels.txt, the names of the classes, is missing")
    except Exception as error:
        # Whatever is wrong with the description of a set, it can only be built again.
        raise damaged(name, folder, error) from error
    return info


def _check_readable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is no folder, and so no built set: move it away")
    readable = os.access(folder, os.R_OK | os.X_OK)
    files = [folder, *(path for path in folder.iterdir() if path.is_file())] if readable else []
    for path in files or [folder]:
        if not os.access(path, os.R_OK):
            raise UserError(f"{path} may not be read: it needs other permissions")


def _check_plain(folder: Path) -> None:
    """Raises ValueError if a pipe, which would be waited for, or a device stands in a file's place."""
    for path in folder.iterdir():
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path.name[:60]} is no plain file")


def _check_classes(path: Path) -> None:
    """Raises ValueError if features.json names a class whose module TFDS would import from anywhere."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has more than {MOST_BYTES >> 20} MiB")
    for name in _class_names(json.loads(path.read_bytes())):
        # A feature of the user's own builder class is there, as that class was imported by its name.
        if not name.startswith(_FEATURES) and name.rpartition(".")[0] not in sys.modules:
            raise ValueError(f"{path.name} names {name[:60]!r}, which is no feature of TFDS")


def _class_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            if isinstance(held, str) and key in ("pythonClassName", "python_class_name", "type"):
                yield held
            yield from _class_names(held)
    elif isinstance(value, list):
        for held in value:
            yield from _class_names(held)


def _check(info: Any) -> None:
    """Raises ValueError if a description lacks what is read from it."""
    features, metadata = info.features, info.metadata or {}
    if not {"image", "label"} <= set(features):
        raise ValueError("features.json names no image and no label")
    names = getattr(features["label"], "names", None)
    if not names or features["label"].num_classes != len(names):
        raise ValueError("label.labels.txt does not name the classes")
    if len(set(names)) < len(names):
        raise ValueError("label.labels.txt names a class twice")
    if len(features["image"].shape or ()) != 3:
        raise ValueError("features.json gives images no height, width and channels")
    if not info.splits:
        raise ValueError("dataset_info.json names no split")
    for split in info.splits.values():
        if any(length < 1 for length in split.shard_lengths or [0]):
            raise ValueError(f"dataset_info.json gives the split {split.name} no shards")
    kinds = {"bad_rows": int, "notes": list, "options": dict}
    if any(key in metadata and not isinstance(metadata[key], kind) for key, kind in kinds.items()):
        raise ValueError(f"metadata.json holds other things than {', '.join(kinds)}")
