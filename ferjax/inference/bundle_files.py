"""The files of a bundle: opens a folder or a .zip, reads no more than a file can hold, checks every hash."""

import contextlib
import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from ferjax.errors import UserError
from ferjax.pretrained.places import is_shipped
from ferjax.runs.file_kinds import describe, read_head
from ferjax.runs.manifest import checked_format, lists_files

FORMAT, VERSION = "ferjax bundle", 2
FLOAT32_VERSION = 1  # what earlier versions of ferjax read; since 2, weights may be stored as float16
MANIFEST, WEIGHTS, CONFIG, NETWORK, CARD = (
    "manifest.json", "weights.safetensors", "config.json", "network.json", "MODEL_CARD.md",
)  # fmt: skip
# A manifest may list these only, so no path can lead out of the bundle.
FILES = (WEIGHTS, CONFIG, NETWORK, CARD)
# Bytes; no file is read, and no .zip unpacked, beyond them. The network says how large its weights are.
_LARGEST_MANIFEST, _LARGEST_TEXT = 2**20, 2**20
_DENSEST = 50  # times that weights can be compressed; trained ones hardly can
# What reading a .zip raises: damage, an unknown compression, a password.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)

Open = Callable[[str], IO[bytes]]  # opens a file of the bundle by its name
_REINSTALL = "install ferjax again (pip install --force-reinstall --no-deps ferjax)"


def again(path: Path) -> str:
    """Says how a bundle is got anew; `path` is the bundle or a file in it."""
    return _REINSTALL if is_shipped(path) else "fetch the bundle again"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Open]:
    """Opens a bundle; yields a function that opens a file in it by name.

    Raises:
        UserError: there is no such folder or file, or it is no .zip.
    """
    if path.is_dir():
        yield partial(_open_in_folder, path)
        return
    if not path.exists():
        what = "is a link to nothing" if path.is_symlink() else "does not exist"
        mend = _REINSTALL if is_shipped(path) else "name a run's workdir or a bundle"
        raise UserError(f"{path} {what}; {mend}")
    if not path.is_file():
        raise UserError(f"{path} is neither a folder nor a file; name a run's workdir or a bundle")
    try:
        archive = zipfile.ZipFile(path)
    except (*DAMAGED, OSError) as error:
        raise _not_a_zip(path, error) from error
    with archive:
        yield partial(_open_in_zip, archive, path)


def _not_a_zip(path: Path, error: Exception) -> UserError:
    what = describe(read_head(path)) if isinstance(error, zipfile.BadZipFile) else ""
    reason = f"(it is {what})" if what else f"({error}): it is not a bundle, or damaged; {again(path)}"
    return UserError(f"{path} cannot be read as a .zip {reason}")


def _open_in_zip(archive: zipfile.ZipFile, path: Path, name: str) -> IO[bytes]:
    entry = archive.getinfo(name)
    if name == WEIGHTS and entry.file_size > _DENSEST * entry.compress_size:
        raise UserError(
            f"{path / name} unpacks to more than {_DENSEST} times its size, which no trained weights do; do "
            "not trust it"
        )
    return archive.open(entry)


def _open_in_folder(folder: Path, name: str) -> IO[bytes]:
    place = folder / name
    if place.is_symlink():
        raise UserError(f"{place} is a link, and links out of a bundle are not followed; {again(place)}")
    if place.exists() and not (place.is_file() or place.is_dir()):  # opening a pipe would wait for ever
        raise UserError(f"{place} is no file, but a pipe or a device; {again(place)}")
    return place.open("rb")


def _bytes(path: Path, open_file: Open, name: str, limit: int) -> bytes:
    """Reads a file; stops one byte after `limit`, which shows that it is too large."""
    try:
        with open_file(name) as file:
            return file.read(limit + 1)
    except (FileNotFoundError, KeyError):
        problem = "is no bundle: it has no" if name == MANIFEST else "lacks its"
        inner = path / "bundle"  # where `export --out` puts it
        way = f"name {inner}" if (inner / MANIFEST).is_file() else "python -m ferjax export writes one"
        way = _REINSTALL if is_shipped(path / name) else way
        raise UserError(f"{path} {problem} {name}; {way}") from None
    except DAMAGED as error:
        raise _not_a_zip(path, error) from error
    except OSError as error:
        raise UserError(f"{path / name} cannot be read: {error.strerror or error}") from error


def parsed(path: Path, name: str, content: bytes) -> Any:
    """Reads the JSON of one of the bundle's files.

    Raises:
        UserError: it is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path / name} is not valid JSON; {again(path)}") from error


def manifest_of(path: Path, open_file: Open) -> dict[str, Any]:
    """Reads and checks the manifest: under `files` the size and SHA-256 of each of `FILES`.

    Raises:
        UserError: it is missing or damaged, of a newer format, or names other files.
    """
    content = _bytes(path, open_file, MANIFEST, _LARGEST_MANIFEST)
    manifest = parsed(path, MANIFEST, content) if len(content) <= _LARGEST_MANIFEST else None
    manifest = checked_format(path, MANIFEST, manifest, FORMAT, VERSION, "python -m ferjax export")
    files, version = manifest.get("files"), manifest.get("version")
    if not (type(version) is int and version > 0 and lists_files(files)):
        raise UserError(f"{path / MANIFEST} is damaged; {again(path)}")
    if unknown := sorted(files.keys() - set(FILES)):
        raise UserError(f"{path / MANIFEST} names {unknown[0]!r}, no file of a bundle; do not trust it")
    if large := _too_large(files):
        raise UserError(f"{path / MANIFEST} is damaged: {large[0]} is not so large; {again(path)}")
    if missing := [name for name in FILES if name not in files]:
        raise UserError(f"{path / MANIFEST} does not name {', '.join(missing)}; {again(path)}")
    return manifest


def _too_large(files: Mapping[str, Any]) -> list[str]:
    """Returns the texts of a manifest that are larger than any; its weights are judged by the network."""
    return [name for name, entry in files.items() if name != WEIGHTS and entry["bytes"] > _LARGEST_TEXT]


def content_of(path: Path, open_file: Open, name: str, entry: Mapping[str, Any]) -> bytes:
    """Reads a file that is as the manifest says.

    Args:
        path: of the bundle.
        open_file: see `opened`.
        name: of the file.
        entry: of the manifest.

    Raises:
        UserError: it is missing, cannot be read, or has another size or hash.
    """
    content = _bytes(path, open_file, name, entry["bytes"])
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise UserError(f"{path / name} was changed (its SHA-256 is another); {again(path)}")
    return content
