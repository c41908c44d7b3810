"""Addresses of object storage, `s3://BUCKET/KEY` and `gs://BUCKET/KEY`, and texts that only look like one."""

import os
import re
from typing import NamedTuple

from ferjax.errors import UserError

# Scheme → the extra that installs its client.
SCHEMES = {"gs": "gcs", "s3": "s3"}
_LOOKS_LIKE_ONE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_ADDRESS = re.compile(r"([a-z0-9]+)://([^/]+)/*(.*)", re.DOTALL)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SHOWN = 120  # characters of a wrong address in a message
_LONGEST_KEY = 900  # bytes; both services take 1,024, and names of files are appended


class Address(NamedTuple):
    """A place in object storage: an object, or all objects whose keys begin with its key and a slash.

    >>> str(Address("s3", "bucket", "runs/a")), Address("s3", "bucket", "runs/a").name
    ('s3://bucket/runs/a', 'a')
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.key}" if self.key else "")

    @property
    def name(self) -> str:
        """The last part, as of a path."""
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def path(self) -> str:
        """Bucket and key, as fsspec takes them."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    def beside(self, name: str) -> "Address":
        """Returns the place of another name in the same folder.

        Raises:
            UserError: this is a whole bucket.
        """
        if not self.key:
            raise UserError(f"{name} cannot lie beside the bucket {self}; name a folder in a bucket")
        return self._replace(key=self.key[: -len(self.name)] + name)

    def joined(self, *parts: str) -> "Address":
        """Returns a place below this one; empty parts are left out."""
        return self._replace(key="/".join(filter(None, (self.key, *parts))))


def read_address(text: str | os.PathLike[str]) -> Address | None:
    """Reads an address; None for a text that is a path of this machine.

    >>> read_address("gs://bucket/runs//a/")
    Address(scheme='gs', bucket='bucket', key='runs/a')
    >>> read_address("runs/a") is None
    True

    Raises:
        UserError: it is an address of another kind, such as http://…, or one that no object can have.
    """
    text = os.fspath(text)
    looks = _LOOKS_LIKE_ONE.match(text)
    if not looks:
        return None
    if "@" in text.partition("//")[2].partition("/")[0]:
        raise UserError(
            f"an address of {looks[1]}:// must not hold a name or password: credentials come from the "
            "environment (docs/object_storage.md)"
        )
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if looks[1].lower() not in SCHEMES:
        raise UserError(
            f"{shown} is an address of a kind that cannot be used: name a path of this machine, or one "
            "in object storage, gs://… or s3://…"
        )
    address = _ADDRESS.fullmatch(text)
    if not address or address[1] not in SCHEMES or not _BUCKET.fullmatch(address[2]):
        raise UserError(f"{shown} names no bucket: an address is {looks[1].lower()}://BUCKET/FOLDER")
    parts = [part for part in address[3].split("/") if part]
    if len(address[3].encode(errors="surrogateescape")) > _LONGEST_KEY or "\0" in text:
        raise UserError(f"{shown!r} cannot be used as an address (it is too long or holds a null character)")
    if {".", ".."} & set(parts):
        raise UserError(f"{shown} holds . or .., which mean nothing in object storage; write the address out")
    return Address(address[1], address[2], "/".join(parts))
