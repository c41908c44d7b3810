"""Takes a pack out of its archive: nothing that is not listed, and nothing that is not as it was packed."""

import contextlib
import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from ferjax.errors import UserError
from ferjax.files import disk_trouble, replacing
from ferjax.pack.archive import BLOCK, FORMAT, MANIFEST, VERSION, entry_of, is_safe
from ferjax.platform import outputs
from ferjax.runs.file_kinds import describe, read_head
from ferjax.runs.manifest import checked_format, lists_files

_LARGEST_MANIFEST, _MOST_MEMBERS = 2**26, 200_000
_ENCRYPTED = 1
_SUSPECT = "do not trust it"
_AGAIN = "fetch the archive again"


class Pack(NamedTuple):
    """An unpacked pack: its folder, its manifest, and the SHA-256 of that."""

    folder: Path
    manifest: dict[str, Any]
    digest: str


def unpack(path: Path, folder: Path) -> Pack:
    """Unpacks an archive into a new folder, after every member was found to be as the manifest says.

    The folder is whole or absent. One that holds the same pack already is checked, not written again; what
    else lies in it, such as runs that were trained anew, stays.

    Args:
        path: of the archive.
        folder: absent, empty, or the same pack's.

    Raises:
        UserError: the archive is damaged, or holds what no pack holds; the folder holds something else, or
            cannot be written.
    """
    with _open_zip(path) as archive:
        members = _members(path, archive)
        content = _read_manifest(path, archive, members)
        manifest = _checked(path, content)
        _check_listed(path, members, manifest["files"])
        pack = Pack(folder, manifest, hashlib.sha256(content).hexdigest())
        if _is_same(folder, content):
            _check_files(pack)
            return pack
        _check_place(folder, sum(entry["bytes"] for entry in manifest["files"].values()))
        with outputs.describing_errors(folder), replacing(folder) as unfinished:
            unfinished.mkdir()
            (unfinished / MANIFEST).write_bytes(content)
            for name, entry in manifest["files"].items():
                place = unfinished / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with _open_member(path, archive, members[name]) as member, place.open("xb") as file:
                    _copy(path, name, member, file, entry)
    return pack


@contextlib.contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is no file"
        raise UserError(f"{path} {what}; name an archive that ferjax pack wrote")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        reason = f"it is {what}" if (what := describe(read_head(path))) else f"{error}; {_AGAIN}"
        raise UserError(f"{path} cannot be read as a .zip ({reason})") from error
    with archive:
        yield archive


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns name → member, after each was found to be a plain file that may be taken out.

    Raises:
        UserError: a member is a link or a folder, is compressed or encrypted, leads out of the folder, or is
            there twice; or all are larger together than the archive.
    """
    infos = archive.infolist()
    if len(infos) > _MOST_MEMBERS:
        raise UserError(f"{path} holds {len(infos):,} files, more than a pack may; {_SUSPECT}")
    members: dict[str, zipfile.ZipInfo] = {}
    folded = set()
    for info in infos:
        name = info.orig_filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not is_safe(name):
            raise UserError(f"{path} holds {name[:200]!r}, which no pack does; {_SUSPECT}")
        if kind not in (0, stat.S_IFREG):
            raise UserError(f"{path} holds {name}, which is a link or no file; {_SUSPECT}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise UserError(f"{path} holds {name} compressed, which no pack does; {_SUSPECT}")
        if info.flag_bits & _ENCRYPTED:
            raise UserError(f"{path} holds {name} encrypted, which no pack does; {_SUSPECT}")
        if name.lower() in folded:
            raise UserError(f"{path} holds {name} twice; {_SUSPECT}")
        members[name] = info
        folded.add(name.lower())
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise UserError(f"{path} unpacks to more than its own size; {_SUSPECT}")
    return members


def _open_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise UserError(f"{path} is damaged at {info.filename} ({error}); {_AGAIN}") from error


def _read_manifest(path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> bytes:
    if MANIFEST not in members:
        raise UserError(f"{path} is no pack: it has no {MANIFEST}; ferjax pack writes one")
    if members[MANIFEST].file_size > _LARGEST_MANIFEST:
        raise UserError(f"{path} has a {MANIFEST} that is larger than any; {_SUSPECT}")
    with _open_member(path, archive, members[MANIFEST]) as member:
        try:
            return member.read()
        except (zipfile.BadZipFile, EOFError) as error:
            raise UserError(f"{path} is damaged at {MANIFEST} ({error}); {_AGAIN}") from error


def _checked(path: Path, content: bytes) -> dict[str, Any]:
    """Reads the manifest and checks its shape."""
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the {MANIFEST} of {path} is not valid JSON; {_AGAIN}") from error
    manifest = checked_format(path, MANIFEST, manifest, FORMAT, VERSION, "ferjax pack")
    files, runs = manifest.get("files"), manifest.get("runs")
    if not (files and lists_files(files)):
        raise UserError(f"the {MANIFEST} of {path} is damaged; {_AGAIN}")
    if not (isinstance(runs, dict) and runs and all(map(_is_run, runs.values()))):
        raise UserError(f"the {MANIFEST} of {path} names no runs; {_AGAIN}")
    if wrong := [name for name in runs if not is_safe(name)]:
        raise UserError(f"the {MANIFEST} of {path} names a run {wrong[0][:200]!r}; {_SUSPECT}")
    return manifest


def _is_run(run: object) -> bool:
    needs = run.get("needs") if isinstance(run, dict) else None
    return isinstance(needs, list) and all(isinstance(need, str) for need in needs)


def _check_listed(path: Path, members: Mapping[str, zipfile.ZipInfo], files: Mapping[str, Any]) -> None:
    """Raises UserError unless the members are those of the list, in name and size."""
    if unknown := sorted(members.keys() - files.keys() - {MANIFEST}):
        raise UserError(f"{path} holds {unknown[0]}, which its {MANIFEST} does not list; {_SUSPECT}")
    if missing := sorted(files.keys() - members.keys()):
        raise UserError(f"{path} lacks {missing[0][:200]!r}, which its {MANIFEST} lists; {_AGAIN}")
    if other := [name for name, entry in files.items() if members[name].file_size != entry["bytes"]]:
        raise UserError(f"{other[0]} in {path} has another size than its {MANIFEST} says; {_AGAIN}")


def _copy(path: Path, name: str, member: IO[bytes], file: IO[bytes], entry: Mapping[str, Any]) -> None:
    digest = hashlib.sha256()
    try:
        while block := member.read(BLOCK):
            digest.update(block)
            file.write(block)
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path} is damaged at {name} ({error}); {_AGAIN}") from error
    if digest.hexdigest() != entry["sha256"]:
        raise UserError(f"{name} in {path} was changed (its SHA-256 is another); {_AGAIN}")


def _is_same(folder: Path, content: bytes) -> bool:
    """Tells whether a folder holds the pack of this manifest already."""
    place = folder / MANIFEST
    try:
        return not folder.is_symlink() and not place.is_symlink() and place.read_bytes() == content
    except OSError:
        return False


def _check_files(pack: Pack) -> None:
    """Raises UserError unless every file of an unpacked pack is as it was packed."""
    for name, entry in pack.manifest["files"].items():
        place = pack.folder / name
        followed = any(part.is_symlink() for part in (place, *place.parents[: name.count("/")]))
        if followed or not place.is_file() or entry_of(place) != entry:
            raise UserError(
                f"{place} is not as it was packed any more; unpack into a new folder, or put it back"
            )


def _check_place(folder: Path, size: int) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder} is no folder; name one that is new or empty")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files; name a folder that is new or empty")
    above = next(place for place in folder.absolute().parents if place.exists())
    try:
        free = shutil.disk_usage(above).free
    except OSError as error:
        raise UserError(f"cannot write {folder}: {disk_trouble(error) or error}") from error
    if size > free:
        raise UserError(
            f"{folder} has no room for the pack: it takes {size / 2**20:,.0f} MiB, and "
            f"{free / 2**20:,.0f} MiB are free; name another place"
        )
