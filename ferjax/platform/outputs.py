"""What a command may write over: files that the same verb wrote, and nothing else.

The files carry a mark that no reader shows: a comment in pages, text, pictures and archives, an empty box at
the end of a video. JSON and rows of predictions, which have no place for one, are known by their fields. An
empty file holds nothing that could be lost.
"""

import contextlib
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.files import DISK_FULL, disk_trouble, write_atomic

_LOOKED_AT = 1 << 16  # bytes at each end of a file in which its mark can be
_LARGEST_JSON = 1 << 26  # bytes
_ELSEWHERE = "name another place"
_TEXTS = (".html", ".svg", ".md")
_ZIPS = (".npz", ".pth", ".pt")
_ZIP_END = 22  # bytes of a .zip's last record without a comment
_PNG_END = 12  # bytes of a .png's last chunk
_SYSTEM, _ORDINARY = ("/dev/", "/proc/"), "/dev/shm/"  # what lies in the first ones is no file on a disk

# The fields that only this verb's JSON has.
_JSON_FIELDS = {
    "ablate": {"variants", "test_digest", "seeds"},
    "aot": {"chip", "estimate", "exchanges"},
    "audit": {"dataset", "findings", "label_names", "near"},
    "crossdb": {"sets", "cells", "seeds"},
    "explain": {"trained_on", "methods", "sanity"},
    "labels": {"dataset", "joint", "flagged", "pairs"},
    "lr-find": {"stage", "rates", "losses", "smoothed"},
    "protocol": {"test_digest", "seeds", "rates", "habits"},
    "repeat": {"test_digest", "seeds", "scores", "summary"},
    "robustness": {"split", "clean", "corruptions", "mean_error"},
    "torch-compare": {"model", "groups"},
    "train": {"network", "checksum", "parameters"},
    "tune": {"space", "trials", "best", "importance"},
}
# The first line of rows of predictions: as CSV, as JSON lines, as a table.
_FIRST_ROW = re.compile(
    r'source,status,reason,time,face,left,|\{"source": ".*", "status": "(ok|no face|failed|skipped)"'
    r"|.{40,}  (face \d+ .*\d%($|  )|no face$|failed: |skipped: )"
)
_FIRST_LINES = {
    "leaderboard": re.compile(r"dataset,test_digest,rank,recipe,network,seeds,"),
    "predict": _FIRST_ROW,
}
# Pages of versions that made no marks are known by the line above their title.
_UNMARKED_PAGES = {
    "audit": ("ferjax audit",),
    "explain": ("ferjax explanations", "ferjax explain --measure"),
    "report": ("ferjax report",),
}


def check(verb: str, *paths: Path, advice: str = _ELSEWHERE) -> None:
    """Checks, before work is done for them, that files can be written and nothing foreign would be lost.

    Args:
        verb: the command, such as `report`.
        *paths: the files that it will write.
        advice: what to do otherwise.

    Raises:
        UserError: one is a folder, or a file that this verb did not write, or cannot be reached.
    """
    for path in paths:
        with describing_errors(path, advice):
            if path.is_dir():
                raise UserError(f"cannot write {path}: it is a folder; {advice}")
            if path.exists() and not is_special(path) and not wrote(verb, path):
                raise UserError(
                    f"{path} was not written by ferjax {verb} and would be overwritten; move it away, or "
                    f"{advice}"
                )
            first = next(place for place in path.absolute().parents if place.exists())
            if not first.is_dir():
                raise UserError(f"cannot write {path}: {first} is not a folder; {advice}")


def write(verb: str, path: Path, content: bytes) -> None:
    """Writes a file with the verb's mark, whole or not at all; missing folders are made.

    Args:
        verb: the command, such as `report`.
        path: the file; its suffix says where the mark goes. Into a pipe or device the content goes as it is.
        content: the whole file.

    Raises:
        UserError: see `check`; or the place cannot be written.
    """
    check(verb, path)
    with describing_errors(path):
        if is_special(path):
            path.write_bytes(content)
        else:
            write_atomic(path, marked(verb, path.suffix.lower(), content))


def move(verb: str, finished: Path, path: Path) -> None:
    """Moves a whole video to its place, in the same folder, and gives it the verb's mark.

    Raises:
        UserError: see `write`.
    """
    check(verb, path)
    with describing_errors(path):
        with finished.open("ab") as file:
            file.write(marked(verb, path.suffix, b""))
        finished.replace(path)


@contextlib.contextmanager
def describing_errors(path: Path, advice: str = _ELSEWHERE) -> Iterator[None]:
    """Turns what the system says about a place into a UserError."""
    try:
        yield
    except OSError as error:
        advice = "make room" if disk_trouble(error, DISK_FULL) else advice
        raise UserError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def make_folder(path: Path) -> Path:
    """Makes a folder with its parents and returns it.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}; {_ELSEWHERE}") from error
    return path


def is_special(path: Path) -> bool:
    """Tells whether what is written goes elsewhere than to a file that stays: a pipe, a device."""
    name = str(path.absolute())
    of_system = name.startswith(_SYSTEM) and not name.startswith(_ORDINARY)
    return path.exists() and (of_system or not path.is_file())


def wrote(verb: str, path: Path) -> bool:
    """Tells whether this verb wrote a file that exists; an empty one counts as such."""
    head, tail = _ends(path)
    if not head or mark(verb) in head or mark(verb) in tail:
        return True
    if path.suffix == ".json" and verb in _JSON_FIELDS:
        return _has_fields(path, _JSON_FIELDS[verb])
    if verb in _FIRST_LINES and _FIRST_LINES[verb].match(head.partition(b"\n")[0].decode(errors="replace")):
        return True
    return _of_an_earlier_version(verb, path)


def marked(verb: str, suffix: str, content: bytes) -> bytes:
    """Returns a file's content with the mark of a verb, where files with this suffix have a place for one."""
    words = mark(verb)
    if suffix in _TEXTS:
        return content.rstrip(b"\n") + b"\n<!-- " + words + b"-->\n"
    if suffix == ".tex":
        return b"% " + words + b"\n" + content
    if suffix == ".png":
        chunk = b"tEXtComment\0" + words
        length, checksum = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
        return content[:-_PNG_END] + length + chunk + checksum + content[-_PNG_END:]
    if suffix in (".jpg", ".jpeg"):
        return content[:2] + b"\xff\xfe" + struct.pack(">H", len(words) + 2) + words + content[2:]
    if suffix == ".mp4":
        return content + struct.pack(">I", len(words) + 8) + b"free" + words
    if suffix in _ZIPS and content[-_ZIP_END:].startswith(b"PK\5\6"):
        return content[:-2] + struct.pack("<H", len(words)) + words
    return content


def mark(verb: str) -> bytes:
    """Returns the words that tell a verb's files, in ASCII."""
    return f"ferjax-output: {verb} ".encode()


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Reads the first and the last bytes of a file."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT))
        return head, file.read(_LOOKED_AT)


def _has_fields(path: Path, fields: Iterable[str]) -> bool:
    """Tells whether a file is a JSON object with these fields, or a list of such."""
    if path.stat().st_size > _LARGEST_JSON:
        return False
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, dict) and first.keys() >= set(fields)


def _of_an_earlier_version(verb: str, path: Path) -> bool:
    """Tells whether an unmarked file is a page of an earlier version, or lies beside one or beside JSON."""
    if path.suffix == ".html":
        return _is_unmarked_page(verb, path)
    if path.suffix not in (*_TEXTS, ".png", ".npz"):
        return False
    beside = path.with_suffix(".json")
    if verb in _JSON_FIELDS and beside.is_file() and _has_fields(beside, _JSON_FIELDS[verb]):
        return True
    return any(_is_unmarked_page(verb, page) for page in path.parent.glob("*.html"))


def _is_unmarked_page(verb: str, path: Path) -> bool:
    head, tail = _ends(path)
    lines = (f'<p class="eyebrow">{words}</p>'.encode() for words in _UNMARKED_PAGES.get(verb, ()))
    return b"ferjax-output: " not in tail and any(line in head for line in lines)
