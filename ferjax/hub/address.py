"""How a network on a hub is named: `owner/name`, `hf://owner/name@revision`, and where the hub is."""

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ferjax.errors import UserError

SCHEME = "hf://"
PUBLIC = "https://huggingface.co"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPO = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,198}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN = 80  # letters of a wrong name in a message


class Address(NamedTuple):
    """A network on a hub.

    Attributes:
        repo: `owner/name`.
        revision: a branch, a tag or a commit.
    """

    repo: str
    revision: str = "main"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, whose content never changes."""
        return bool(_COMMIT.fullmatch(self.revision))


def parse(text: str) -> Address:
    """Reads `owner/name[@revision]`, with or without `hf://` before it.

    >>> parse("hf://mylab/faces@v1")
    Address(repo='mylab/faces', revision='v1')

    Raises:
        UserError: it is something else.
    """
    repo, at, revision = text.removeprefix(SCHEME).partition("@")
    dotted = ".." in repo or "--" in repo or ".." in revision
    if dotted or not _REPO.fullmatch(repo) or (at and not _REVISION.fullmatch(revision)):
        raise UserError(
            f"{text[:_SHOWN]!r} names no network of a hub: it takes OWNER/NAME or OWNER/NAME@REVISION"
        )
    return Address(repo, revision) if at else Address(repo)


def endpoint(text: str) -> str:
    """Returns the address of the hub, without a slash at its end.

    Args:
        text: as the user gave it; empty: the environment variable HF_ENDPOINT, or the public hub.

    Raises:
        UserError: it is no address, or would send what it holds unencrypted to another machine.
    """
    text = (text or os.environ.get("HF_ENDPOINT") or PUBLIC).rstrip("/")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        parts.port  # noqa: B018  (raises ValueError for one that is no number)
    except ValueError as error:
        raise UserError(f"{text[:_SHOWN]!r} is no address of a hub ({error})") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise UserError(
            f"{text[:_SHOWN]!r} is no address of a hub, such as {PUBLIC} or http://localhost:8080"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise UserError(
            f"{text[:_SHOWN]} would send tokens and weights unencrypted: use https; http is for this machine"
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
