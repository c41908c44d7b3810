"""Files that are whole or absent, JSON in them, and clear errors when they are neither."""

import contextlib
import errno
import json
import math
import os
import shutil
import signal
import stat
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from ferjax.errors import UserError
from ferjax.storage.address import Address, read_address

_SHOWN = 120  # characters of a wrong path in a message
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_ERRORS = (*DISK_FULL, errno.EROFS, errno.EACCES, errno.EPERM)


def disk_trouble(error: BaseException, codes: Iterable[int] = DISK_ERRORS) -> str | None:
    """Returns the system's words for a disk that is full or must not be written to; None for another error.

    Args:
        error: an `OSError`, or the error of a library that quotes the system's words in its message.
        codes: which `errno` count.
    """
    number, text = getattr(error, "errno", None), str(error)
    return next((os.strerror(code) for code in codes if code == number or os.strerror(code) in text), None)


def user_path(text: str | os.PathLike[str]) -> Path:
    """Reads a path as a user gave it: `~` is expanded, and of an address the local copy is meant.

    Every path of a flag, an argument or a config field comes through here. Whether it exists is left to
    whoever opens it. The copy of a place in object storage, s3://… or gs://…, is fetched when it is named
    first; see `ferjax.storage.mirrors` for how it is stored.

    Raises:
        UserError: it is an address of another kind, or one that cannot be read; it names an unknown user's
            home, is too long, or holds a null character or a link to itself.
    """
    path = place(text)
    if isinstance(path, Address):
        from ferjax.storage import mirrors

        return mirrors.local(path)
    return path


def place(text: str | os.PathLike[str]) -> Path | Address:
    """Reads a path or an address as `user_path` does, but fetches nothing.

    Raises:
        UserError: see `user_path`.
    """
    name = os.fspath(text)
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    if address := read_address(name):
        return address
    try:
        path = Path(name).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()
    except RuntimeError:
        raise UserError(f"{shown} names the home of an unknown user; write the path out") from None
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{shown!r} cannot be used as a path ({reason}); name another") from error
    return path


def real_path(path: Path | str) -> str:
    """Returns where a path leads once every link is followed, as far as the system shows it."""
    try:
        return os.path.realpath(path)
    except OSError:  # some links of /proc are shown to nobody
        return os.path.abspath(path)


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields where to write a file or folder, and moves it to `path` when the block ends.

    So a reader, or a kill at any moment, sees the old content of `path` or the new, whole. If the block
    raises, what it wrote is removed and `path` stays as it was; if it writes nothing, nothing changes.
    Several processes may do this at once: the last one wins. Missing parent folders are made.

    Args:
        path: a file; or a folder that is absent or empty.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename is atomic only within one file system.
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with _raising_at_sigterm():
        try:
            yield unfinished
            if unfinished.exists():
                unfinished.replace(path)
        finally:
            if unfinished.is_dir():
                shutil.rmtree(unfinished, ignore_errors=True)
            else:
                unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _raising_at_sigterm() -> Iterator[None]:
    """Lets SIGTERM raise SystemExit where it would end the process at once, so that what is begun is removed.

    A process that handles the signal otherwise keeps its own way.
    """
    process = os.getpid()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() != process:  # a child, which has not begun it
            os._exit(128 + number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def plain(value: Any) -> Any:
    """Turns a value into one that strict JSON can hold.

    NaN and infinities become None (JSON has no such numbers), tuples become lists, and NumPy or JAX
    scalars and arrays become Python numbers and nested lists.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_atomic(path: Path | str, content: bytes) -> None:
    """Writes a file so that a reader, or a kill at any moment, sees the old content or the new, whole."""
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def to_json(obj: Any) -> bytes:
    """`plain(obj)` as indented JSON in UTF-8.

    Raises:
        TypeError: if a value has no JSON form.
    """
    return json.dumps(plain(obj), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def write_json_atomic(path: Path | str, obj: Any) -> None:
    """Writes `plain(obj)` as indented JSON in UTF-8, whole or not at all (see `write_atomic`).

    Raises:
        TypeError: if a value has no JSON form.
    """
    write_atomic(path, to_json(obj))


def _plain_bytes(path: Path) -> bytes:
    """Reads a file whole. A pipe is not waited for, and a device not read without end.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder is told by the system
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))
    return path.read_bytes()


def read_json(path: Path | str) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: if the file is missing, cannot be read, or is not JSON; the line says which.
    """
    path = Path(path)
    try:
        return json.loads(_plain_bytes(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # bad JSON and bad UTF-8, lists in lists without end
        raise UserError(f"{path} is not valid JSON ({error}); restore or remove the file") from error


def read_json_lines(path: Path | str, required: tuple[str, ...] = ()) -> list[dict]:
    """Reads a file of one JSON object a line, in order.

    A last line cut short, as a kill in the middle of a write leaves it, is dropped.

    Args:
        path: the file.
        required: the keys that every object must have.

    Raises:
        UserError: if the file is missing, cannot be read, or another line is not such an object.
    """
    path = Path(path)
    try:
        lines = _plain_bytes(path).split(b"\n")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):  # every whole line ends with a newline, so this one was cut
                break
            raise UserError(f"{path} line {number} is not valid JSON; mend or remove the line") from error
        if not isinstance(row, dict) or not row.keys() >= set(required):
            wanted = f"a JSON object with {', '.join(required)}" if required else "a JSON object"
            raise UserError(f"{path} line {number} is not {wanted}; mend or remove the line")
        rows.append(row)
    return rows


def inside(folder: Path, path: Path) -> Path:
    """Returns `path` if it stays in `folder` after every link is followed.

    Raises:
        UserError: the path leads out of the folder.
    """
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
    except (ValueError, OSError, RuntimeError) as error:  # a null character, a loop of links
        raise UserError(f"{str(path)[:200]!r} is no path that can be followed ({error})") from error
    if not stays:
        raise UserError(f"{path} leads out of {folder}; files are read only inside that folder")
    return path


def text_of(path: Path | str, unreadable: Literal["replace", "backslashreplace"] = "replace") -> str:
    """Turns a path into text that can be written: names are bytes, which may be no UTF-8.

    Args:
        path: or any text that was made of one.
        unreadable: what becomes of such bytes: a �, or \\xNN, which keeps different names apart.
    """
    return os.fsencode(path).decode(errors=unreadable)


def file_name(*names: object) -> str:
    """Joins names of a config to one name of a file or folder.

    >>> file_name("fer_cnn", "toons/avataaars")
    'fer_cnn-toons-avataaars'
    >>> file_name("mylab.net:MyNet", "fer2013", 1)
    'mylab.net.MyNet-fer2013-1'
    """
    return "-".join(str(name).replace("/", "-").replace(":", ".") for name in names)
