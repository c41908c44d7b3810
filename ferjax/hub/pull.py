"""Pulls a bundle from a hub: only the files of a bundle, each as large and with the hash that it should have.

Nothing else that a repository may hold is fetched, so no pickle and no code comes along, and names are never
taken from the hub, so no path can lead out of the folder.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ferjax.errors import UserError
from ferjax.files import replacing
from ferjax.hub.address import Address
from ferjax.hub.client import describing_errors, open_client
from ferjax.inference.bundle import is_bundle
from ferjax.inference.bundle_files import FILES, MANIFEST, WEIGHTS, content_of, manifest_of, opened
from ferjax.platform import outputs

_LARGEST_TEXT = 1 << 20  # bytes of every file but the weights


class Pulled(NamedTuple):
    """What was pulled.

    Attributes:
        commit: the id of the commit that the revision led to.
        manifest: the SHA-256 of the bundle's manifest.
    """

    commit: str
    manifest: str


def pull(address: Address, folder: Path, endpoint: str, sha256: str = "") -> Pulled:
    """Pulls a bundle into a new folder, whole or not at all.

    Args:
        address: of the network.
        folder: must not exist, or be empty.
        endpoint: see `ferjax.hub.address.endpoint`.
        sha256: the SHA-256 that its manifest must have, as `push` and `export` told it; empty: any. The
            manifest holds the hash of every other file.

    Raises:
        UserError: the hub has no such bundle or cannot be reached, a hash or size differs, or the folder
            cannot be written.
    """
    client = open_client(endpoint)
    with describing_errors(address, endpoint):
        info = client.model_info(address.repo, revision=address.revision, files_metadata=True)
        commit, sizes = str(info.sha), {file.rfilename: file.size for file in info.siblings or ()}
    with outputs.describing_errors(folder), replacing(folder) as unfinished:
        unfinished.mkdir()
        with tempfile.TemporaryDirectory(dir=unfinished) as fetched:
            pinned = Address(address.repo, commit)
            manifest = _fetch(client, pinned, endpoint, MANIFEST, sizes, Path(fetched), _LARGEST_TEXT)
            found = hashlib.sha256(manifest.read_bytes()).hexdigest()
            if sha256 and found != sha256.lower():
                raise UserError(
                    f"{address.repo} on {endpoint}: the SHA-256 of its {MANIFEST} is {found}, not {sha256}; "
                    "do not trust it"
                )
            shown = Path(address.repo)  # in messages
            with opened(manifest.parent) as open_file:
                entries = manifest_of(shown, open_file)["files"]
                for name in FILES:
                    most = entries[name]["bytes"]
                    _fetch(client, pinned, endpoint, name, sizes, Path(fetched), most)
                    content_of(shown, open_file, name, entries[name])
            for name in (*FILES, MANIFEST):
                (manifest.parent / name).rename(unfinished / name)
    return Pulled(commit, found)


def _fetch(
    client: Any,
    address: Address,
    endpoint: str,
    name: str,
    sizes: dict[str, int | None],
    folder: Path,
    most: int,
) -> Path:
    """Downloads one file.

    Raises:
        UserError: the repository has none of that name, or it is larger than it should be.
    """
    if name not in sizes:
        raise UserError(f"{address.repo} on {endpoint} is no bundle: it has no {name}")
    size = sizes[name]
    if size is None or size > most or (name != WEIGHTS and size > _LARGEST_TEXT):
        raise UserError(
            f"{address.repo} on {endpoint}: {name} has {size} bytes, where its bundle has at most {most}; do "
            "not trust it"
        )
    with describing_errors(address, endpoint):
        path = client.hf_hub_download(address.repo, name, revision=address.revision, local_dir=folder)
    return Path(path)


def cached(address: Address, endpoint: str) -> Path:
    """Returns the folder of a network's bundle on this machine; pulls it if it is not there.

    A revision that is a commit and was pulled before needs no network.

    Raises:
        UserError: see `pull`.
    """
    root = Path.home() / ".cache/ferjax/hub" / _folder_name(endpoint) / address.repo.replace("/", "--")
    if not address.pinned:
        client = open_client(endpoint)
        with describing_errors(address, endpoint):
            sha = str(client.model_info(address.repo, revision=address.revision).sha)
        address = Address(address.repo, sha)
    if not address.pinned:
        raise UserError(f"{endpoint} names no commit of {address.repo}")
    folder = root / address.revision
    if not is_bundle(folder):
        if folder.exists():
            raise UserError(f"{folder} is damaged; remove it, and it will be pulled again")
        pull(address, folder, endpoint)
    return folder


def _folder_name(endpoint: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in endpoint)
