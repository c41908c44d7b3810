"""Where the networks that ferjax ships lie, and what a name such as `faces` stands for."""

import os
from pathlib import Path

from ferjax.errors import UserError
from ferjax.files import user_path

FOLDER = Path(__file__).resolve().parent
# Used where a command is given no network.
DEFAULT = "faces"
_NAMES = (DEFAULT,)
# What a run's workdir, an import or a bundle holds.
_OF_A_NETWORK = ("checkpoints", "manifest.json")


def names() -> tuple[str, ...]:
    """Returns the names of the networks that ferjax ships, sorted."""
    return _NAMES


def shipped(name: str) -> Path:
    """Returns the folder of a network that ferjax ships, whatever lies in the current folder.

    Raises:
        UserError: there is none of this name.
    """
    if name not in _NAMES:
        raise UserError(f"ferjax ships no network {name!r}; it ships {', '.join(_NAMES)}")
    return FOLDER / name


def locate(text: str | os.PathLike[str]) -> Path:
    """Returns what a user names as a network: a path, or the folder of a network that ferjax ships.

    A path wins over a name, but not a folder that holds no network, such as one of pictures.

    Args:
        text: a path, or one of `names()`.

    Raises:
        UserError: see `ferjax.files.user_path`.
    """
    path = user_path(text)
    if str(path) not in _NAMES or path.is_file() or any((path / part).exists() for part in _OF_A_NETWORK):
        return path
    return FOLDER / path


def is_shipped(path: Path) -> bool:
    """Tells whether a path lies in the folder of a network that ferjax ships."""
    return FOLDER in path.parents
