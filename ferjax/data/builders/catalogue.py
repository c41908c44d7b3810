"""Finds data sets by name: the TFDS builder class, its config, and the folder of the built set."""

import inspect
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from ferjax.errors import UserError, nearest
from ferjax.files import place
from ferjax.registry import DATA_SETS
from ferjax.storage.address import Address
from ferjax.storage.sets import fetched

_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Found(NamedTuple):
    """A data set: its TFDS builder class, and the name of the TFDS config (None without one)."""

    builder: Any
    config: str | None


def names() -> tuple[str, ...]:
    """Returns the names of ferjax's own data sets, sorted; `folder/NAME` stands for any number of others."""
    return DATA_SETS.names()


def find(name: str) -> Found:
    """Finds a data set.

    Args:
        name: one of `names()`; FAMILY/NAME for a set whose class has `with_config`, such as `folder/NAME`;
            or `package.module:Builder`, a builder class of the user's own.

    Raises:
        UserError: there is no such set (the nearest names are listed), or the user's class cannot be used.
    """
    if name not in names():
        family, _, config = name.partition("/")
        if family in names() and _SAFE.fullmatch(config):
            builder: Any = DATA_SETS.find(family).target
            if hasattr(builder, "with_config"):
                return Found(builder.with_config(config), config)
        if ":" not in name:
            raise UserError(
                f"there is no data set {name!r}; the nearest names are {nearest(name, names())} (a builder "
                "class of your own is named package.module:Builder)"
            )
    entry = DATA_SETS.find(name)
    if name not in names():
        _check_own(name, entry.target)
    if entry.facts is not None:
        return Found(entry.target, entry.facts.config)
    return Found(entry.target, getattr(entry.target.default_builder_config, "name", None))


def _check_own(name: str, builder: Any) -> None:
    """Raises UserError if what a user's path names is no builder whose built folder is its own."""
    from tensorflow_datasets.core import DatasetBuilder  # the user's module has imported it

    if not (inspect.isclass(builder) and issubclass(builder, DatasetBuilder)):
        raise UserError(f"{name} is no TFDS builder class, such as a subclass of LicensedBuilder")
    if missing := sorted(getattr(builder, "__abstractmethods__", ())):
        raise UserError(f"{name} lacks the method {missing[0]}, which its base class asks for")
    if builder.VERSION is None:
        raise UserError(f'{name} has no VERSION; give it one, such as tfds.core.Version("1.0.0")')
    if not _SAFE.fullmatch(builder.name):
        raise UserError(
            f"{name} would be built in a folder called {builder.name[:60]!r}; give the class a `name` of "
            "small letters, digits, - and _"
        )
    others = (entry.target for entry in DATA_SETS.entries() if entry.target is not builder)
    if any(other.name == builder.name for other in others):
        raise UserError(
            f"{name} would be built in the folder of the data set {builder.name!r}; give the class another "
            "`name`"
        )


def builder_class(name: str) -> Any:
    """Returns the TFDS builder class of a data set, see `find`."""
    return find(name).builder


def is_licensed(builder: Any) -> bool:
    """Tells whether a builder (or its class) reads the user's files; others draw or download their own."""
    from ferjax.data.builders.base import LicensedBuilder  # imports TFDS

    return issubclass(builder if inspect.isclass(builder) else type(builder), LicensedBuilder)


def is_grey(name: str) -> bool:
    """Tells whether a data set stores images without colour, see `find`."""
    return getattr(builder_class(name), "IMAGE_SHAPE", (None, None, 3))[2] == 1


def data_root(data_dir: str | os.PathLike | None) -> Path | Address:
    """Returns the folder of the built sets: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return place(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def folder(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Returns the folder of a data set once it is built. See `data_root` for the default of `data_dir`.

    One in object storage is fetched first, see `ferjax.storage.sets`.

    Raises:
        UserError: there is no data set of this name, or it cannot be fetched.
    """
    builder, config = find(name)
    root, parts = data_root(data_dir), (builder.name, *([config] if config else []), str(builder.VERSION))
    return fetched(root, parts) if isinstance(root, Address) else root.joinpath(*parts)


def building_root(data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder that sets are built in, see `data_root`.

    Raises:
        UserError: it is in object storage.
    """
    root = data_root(data_dir)
    if isinstance(root, Address):
        raise UserError(
            f"data sets are built on a disk and not in {root}: build this one in another --data_dir, and "
            "copy its folder there"
        )
    return root


def create(name: str, data_dir: str | os.PathLike | None = None, **options: Any) -> Any:
    """Makes the TFDS builder of a data set. Nothing is built yet.

    Args:
        name: see `find`.
        data_dir: see `data_root`.
        **options: for licensed sets `manual_dir`, `skip_bad_rows` and `options`, see `LicensedBuilder`.

    Raises:
        UserError: see `find` and `building_root`.
    """
    builder, config = find(name)
    if config:
        options["config"] = config
    return builder(data_dir=building_root(data_dir), file_format="array_record", **options)
