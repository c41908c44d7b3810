"""Objects of a bucket: listed, read and written, tried again within bounds, and errors told in one line.

fsspec's clients do the work: s3fs for `s3://`, gcsfs for `gs://`. They take credentials, the region and
another server's address (`AWS_ENDPOINT_URL`, `STORAGE_EMULATOR_HOST`) from the environment. Writing an object
is atomic: a reader sees the old content or the new.
"""

import contextlib
import errno
import functools
import importlib
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ferjax.errors import UserError, foreign
from ferjax.storage.address import SCHEMES, Address

TRIES = 6  # of one request, with pauses between that double: 6 seconds together
_FIRST_PAUSE = 0.2  # seconds
_SILENCE = 30  # seconds without a byte after which a request has failed
_CONNECT = 10  # seconds
_SLOWEST = 2**17  # bytes a second: what takes longer, and the silence, has failed
_AT_ONCE = 8  # objects that are moved at the same time
_CLIENTS = {"gs": ("gcsfs", "gcs"), "s3": ("s3fs", "s3")}
# By name: the clients' libraries are imported only where they are used.
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError",
    "CredentialRetrievalError", "TokenRetrievalError", "UnauthorizedSSOTokenError", "RefreshError",
}  # fmt: skip
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_Result = TypeVar("_Result")


class Entry(NamedTuple):
    """An object as a listing tells of it.

    Attributes:
        size: bytes.
        tag: changes with the content.
    """

    size: int
    tag: str


class Gone(UserError):
    """An object, or the whole bucket, that is not there."""


class Refused(UserError):
    """A request that the service does not allow, or that nobody signed."""


@functools.cache
def client(scheme: str) -> Any:
    """Returns fsspec's file system of a scheme.

    Raises:
        UserError: its package is not installed, or there are no credentials.
    """
    package, protocol = _CLIENTS[scheme]
    try:
        import fsspec

        importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"{scheme}:// needs the package {error.name or package}: pip install 'ferjax[{SCHEMES[scheme]}]'"
        ) from error
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":
        # One layer tries again, this one: with its own and botocore's a request would be sent 150 times.
        limits = {"connect_timeout": _CONNECT, "read_timeout": _SILENCE}
        options["config_kwargs"] = {**limits, "retries": {"total_max_attempts": 1}}
    try:
        made = fsspec.filesystem(protocol, **options)
    except Exception as error:  # gcsfs looks for credentials at once
        raise _explained(Address(scheme, "", ""), error) from error
    if scheme == "s3":
        made.retries = 1
    return made


def _within(size: int) -> dict[str, float]:
    """Bounds a request that moves so many bytes, by fsspec's own clock.

    The limit on silence does not hold while an upload waits to be told to go on (Expect: 100-continue).
    """
    return {"timeout": _SILENCE + size / _SLOWEST}


def tried(address: Address, request: Callable[[], _Result]) -> _Result:
    """Calls `request` until it succeeds, at most `TRIES` times.

    Raises:
        Gone: there is no such object or bucket; not tried again.
        Refused: it may not be done; not tried again.
        UserError: it failed every time.
        OSError: the disk of this machine is full.
    """
    for number in range(TRIES):
        try:
            return request()
        except UserError:
            raise
        except Exception as error:  # the libraries below raise whatever they like
            if getattr(error, "errno", None) in _DISK_FULL:  # of this machine
                raise
            explained = _explained(address, error)
            if isinstance(explained, Gone | Refused) or number == TRIES - 1:
                raise explained from error
        # Spread out, so that many hosts do not come back at the same moment.
        time.sleep(_FIRST_PAUSE * 2**number * random.uniform(0.5, 1))
    raise AssertionError  # the last try returns or raises


def _explained(address: Address, error: BaseException) -> UserError:
    """Turns an error of a client into one line."""
    place = str(address) if address.bucket else f"{address.scheme}://"
    names = {type(each).__name__ for each in _chain(error)}
    if names & _NO_CREDENTIALS:
        return Refused(
            f"{place} cannot be used without credentials, and the environment holds none (docs/"
            "object_storage.md lists the variables)"
        )
    if isinstance(error, PermissionError):
        return Refused(
            f"{place}: access is denied ({foreign(error, 100)}); check the credentials and their rights"
        )
    if isinstance(error, FileNotFoundError):
        if "bucket does not exist" in str(error):
            return Gone(f"{place}: there is no bucket {address.bucket}; make it, or name another")
        return Gone(f"{place} does not exist")
    return UserError(
        f"{place} could not be reached after {TRIES} tries ({foreign(error, 120)}); what was saved there is "
        "whole: run the same command again"
    )


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def listing(address: Address) -> dict[str, Entry]:
    """Lists the objects below an address, by the rest of their keys; the object itself has the key "".

    Raises:
        UserError: see `tried`. A place without objects is an empty dictionary, a missing bucket an error.
    """
    files = client(address.scheme)
    found = tried(address, lambda: files.find(address.path, detail=True))
    entries = {}
    for path, info in found.items():
        rest = path.removeprefix(address.path)
        # A key that ends with a slash stands for an empty folder.
        if info["type"] == "file" and not path.endswith("/") and (not rest or rest.startswith("/")):
            tag = info.get("ETag") or info.get("etag") or info.get("md5Hash") or info.get("generation") or ""
            entries[rest.lstrip("/")] = Entry(int(info["size"]), str(tag))
    return entries


def read(address: Address) -> bytes:
    """Returns an object's content; see `tried` for the errors."""
    return tried(address, lambda: client(address.scheme).cat_file(address.path))


def write(address: Address, content: bytes) -> None:
    """Writes an object, whole or not at all; see `tried` for the errors."""
    tried(address, lambda: client(address.scheme).pipe_file(address.path, content, **_within(len(content))))


def remove(address: Address) -> None:
    """Removes an object; one that is gone already is fine."""
    with contextlib.suppress(Gone):
        tried(address, lambda: client(address.scheme).rm_file(address.path, **_within(0)))


def download(address: Address, path: Path, size: int) -> None:
    """Writes an object's content to a file, whole or not at all.

    Raises:
        Gone: it is not there, or not any more what the listing with this size told of.
        UserError: see `tried`.
    """
    unfinished = path.with_name(f".{path.name}.part")

    def request() -> None:
        client(address.scheme).get_file(address.path, str(unfinished), **_within(size))
        came = unfinished.stat().st_size
        if came != size:
            now = listing(address).get("")
            if now is None or now.size != size:
                raise Gone(f"{address} was written anew while it was read")
            raise OSError(f"{came:,} of {size:,} bytes came")

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        tried(address, request)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def upload(path: Path, address: Address) -> None:
    """Writes a file's content to an object, whole or not at all.

    Raises:
        FileNotFoundError: the file has been removed meanwhile.
        UserError: see `tried`.
    """
    within = _within(path.stat().st_size)

    def request() -> None:
        client(address.scheme).put_file(str(path), address.path, **within)

    try:
        tried(address, request)
    except Gone:
        path.stat()
        raise


def at_once(work: Callable[[Any], _Result], items: Iterable[Any]) -> list[_Result]:
    """Calls `work` for several items at the same time; raises the first error, after all have ended."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ferjax-storage") as pool:
        return list(pool.map(work, items))
