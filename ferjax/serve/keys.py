"""API keys: where they come from, and whether a request has one."""

import hashlib
import hmac
import os
import re
from collections.abc import Sequence

from ferjax.data.plain_files import read_plain
from ferjax.errors import UserError
from ferjax.files import user_path

VARIABLE = "FERJAX_API_KEY"
_SHORTEST, _LARGEST_FILE = 16, 2**16
_KEY = re.compile(r"[\x21-\x7e]+")  # what an HTTP header can hold
_MAKE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


class Keys:
    """The keys that are accepted; only their digests are kept.

    Args:
        keys: none: every request is accepted.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: str) -> bool:
        """Tells whether a key is one of them, in a time that does not say how nearly it is."""
        digest = _digest(key)
        return not self._digests or any(hmac.compare_digest(digest, known) for known in self._digests)


def read_keys(path: str) -> Keys:
    """Reads the keys of a file, or of the environment variable FERJAX_API_KEY if no file is named.

    Args:
        path: a file with a key a line, several so that one can be replaced without an interruption; may be
            empty.

    Raises:
        UserError: the file cannot be read or holds no key, or a key is too short to be one.
    """
    if not path:
        text = os.environ.get(VARIABLE)
        return (
            Keys() if text is None else Keys([_checked(text.strip(), f"the environment variable {VARIABLE}")])
        )
    try:
        text = read_plain(user_path(path), _LARGEST_FILE).decode()
    except UnicodeDecodeError:
        raise UserError(f"--api_key_file={path} is no text; name a file with a key a line") from None
    except ValueError as error:
        raise UserError(f"--api_key_file={path} {error}; name a file with a key a line") from None
    lines = [line.strip() for line in text.splitlines()]
    keys = [_checked(line, f"a line of {path}") for line in lines if line]
    if not keys:
        raise UserError(f"{path} holds no key; {_MAKE}")
    return Keys(keys)


def _checked(key: str, where: str) -> str:
    if len(key) < _SHORTEST or not _KEY.fullmatch(key):
        raise UserError(f"{where} is no key: it takes {_SHORTEST} or more letters, digits and signs; {_MAKE}")
    return key


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
