"""What the manifests of bundles and packs share: a format with its version, files by size and SHA-256."""

from pathlib import Path
from typing import Any, TypeGuard

import ferjax
from ferjax.errors import UserError


def checked_format(
    path: Path, name: str, manifest: object, file_format: str, newest: int, writer: str
) -> dict[str, Any]:
    """Returns a manifest that is of a format and of a version that this ferjax reads.

    Args:
        path: of what the manifest is in.
        name: of the manifest's file.
        manifest: the JSON value that was read.
        file_format: such as `ferjax bundle`, what the manifest's `format` must be.
        newest: the highest version that is read; a `version` that is no number is for the caller to judge.
        writer: the command that writes one, for the message.

    Raises:
        UserError: it is of another format, or of a newer version.
    """
    kind = file_format.removeprefix("ferjax ")
    if not isinstance(manifest, dict) or manifest.get("format") != file_format:
        raise UserError(f"{path} is no {kind}, as its {name} shows; {writer} writes one")
    version = manifest.get("version")
    if type(version) is int and version > newest:
        raise UserError(
            f"{path} is a {kind} of format {version}, and ferjax {ferjax.__version__} reads formats up to "
            f"{newest}: upgrade ferjax"
        )
    return manifest


def lists_files(files: object) -> TypeGuard[dict[str, Any]]:
    """Checks whether a value maps names to the size in `bytes` and the `sha256` of each."""
    return isinstance(files, dict) and all(map(_is_entry, files.values()))


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and type(entry.get("bytes")) is int
        and entry["bytes"] >= 0
    )
