"""Builds data sets: from the user's own files, or drawn, into ArrayRecord shards that TFDS reads.

The sets themselves are in `ferjax.data.sets`, a file each. This package finds one by its name and builds it.
"""

from ferjax.data.builders.building import build, rebuild
from ferjax.data.builders.catalogue import (
    builder_class,
    create,
    data_root,
    folder,
    is_grey,
    is_licensed,
    names,
)

__all__ = [
    "build",
    "builder_class",
    "create",
    "data_root",
    "folder",
    "is_grey",
    "is_licensed",
    "names",
    "rebuild",
]
