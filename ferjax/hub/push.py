"""Pushes a bundle to a hub in one commit, with its model card as the page of the repository."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from ferjax.hub.address import Address
from ferjax.hub.client import describing_errors, open_client
from ferjax.inference.bundle_files import (
    CARD,
    CONFIG,
    FILES,
    MANIFEST,
    content_of,
    manifest_of,
    opened,
    parsed,
)  # fmt: skip

PAGE = "README.md"


class Pushed(NamedTuple):
    """What a push made.

    Attributes:
        url: of the commit.
        commit: its id, which pins the content.
        manifest: the SHA-256 of the bundle's manifest.
    """

    url: str
    commit: str
    manifest: str


def push(path: Path, address: Address, endpoint: str, *, private: bool, message: str) -> Pushed:
    """Pushes a bundle; the repository is made if it is not there.

    Args:
        path: the bundle's folder or .zip; every file's hash is checked before anything is sent.
        address: where it goes; a branch, not a commit.
        endpoint: see `ferjax.hub.address.endpoint`.
        private: of a new repository. One that is there stays as it is.
        message: of the commit.

    Raises:
        UserError: it is no bundle, or the hub refuses it or cannot be reached.
    """
    files = checked_files(path)
    client = open_client(endpoint)
    from huggingface_hub import CommitOperationAdd

    contents = {**files, PAGE: page(files, path)}
    with describing_errors(address, endpoint):
        client.create_repo(address.repo, private=private, exist_ok=True)
        done = client.create_commit(
            address.repo,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=message,
            revision=address.revision,
        )
    return Pushed(done.commit_url, done.oid, hashlib.sha256(files[MANIFEST]).hexdigest())


def checked_files(path: Path) -> dict[str, bytes]:
    """Reads all files of a bundle by name, each as its manifest says.

    Raises:
        UserError: it is no bundle, or damaged.
    """
    with opened(path) as open_file:
        entries = manifest_of(path, open_file)["files"]
        files = {name: content_of(path, open_file, name, entries[name]) for name in FILES}
        with open_file(MANIFEST) as file:
            return {**files, MANIFEST: file.read()}


def page(files: dict[str, bytes], path: Path) -> bytes:
    """Writes the repository's page: the model card, below what the hub sorts networks by."""
    config = parsed(path, CONFIG, files[CONFIG])
    tags = ["ferjax", "jax", "facial-expression-recognition", config["model"]["name"], config["data"]["name"]]
    facts = {"library_name": "ferjax", "pipeline_tag": "image-classification", "tags": tags}
    head = "".join(f"{name}: {json.dumps(value)}\n" for name, value in facts.items())  # JSON is YAML
    return f"---\n{head}---\n\n".encode() + files[CARD]
