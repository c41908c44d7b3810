"""Divides the training examples into groups by their attributes, for balancing and for group DRO."""

import numpy as np

from ferjax.data.sources import Source
from ferjax.data.split_index import Key
from ferjax.errors import UserError, listed

CLASS = "class"
UNKNOWN = "unknown"
MOST = 1000


def names_of(text: str) -> tuple[str, ...]:
    """Reads `data.groups`, such as "gender,class".

    Raises:
        UserError: a name comes twice, or is empty.
    """
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if len(set(names)) < len(names) or not all(names):
        raise UserError(f"data.groups={text[:80]!r} is not ATTRIBUTE,… with different names")
    return names


def groups_of(source: Source, text: str) -> Key:
    """Returns the group of every example: one for each combination of values that occurs.

    Args:
        source: the training split.
        text: `data.groups`: names of attributes; `class` stands for the label. Examples without a value are
            of the value `unknown`.

    Raises:
        UserError: the set lacks an attribute, or there is one group only.
    """
    names, attributes = names_of(text), source.attributes
    lacking = [name for name in names if name != CLASS and name not in attributes]
    if lacking:
        raise UserError(
            f"data.groups: {source.name} has no attribute {', '.join(map(repr, lacking))}; it has "
            f"{listed([*attributes, CLASS], most=12)}"
        )
    parts = [
        Key(source.labels, tuple(source.label_names)) if name == CLASS else attributes[name] for name in names
    ]
    table = np.stack([part.codes for part in parts], 1)
    rows, codes = np.unique(table, axis=0, return_inverse=True)
    if not 1 < len(rows) <= MOST:
        raise UserError(
            f"data.groups={text[:80]} makes {len(rows):,} groups of {source.name} {source.split}; it takes 2 "
            f"to {MOST}"
        )
    titles = tuple(
        " × ".join(part.names[code] if code >= 0 else UNKNOWN for part, code in zip(parts, row, strict=True))
        for row in rows
    )
    return Key(codes.reshape(-1).astype(np.int32), titles)
