"""Says by the first bytes of a file what it is, where it is not what its name says."""

from pathlib import Path

HEAD = 1024  # bytes that are looked at
# First bytes, what the file is, and what to do about it.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "run git lfs pull where it lies"),
    (b"/annex/objects/", "a git-annex pointer, not the file", "run git annex get where it lies"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", "ferjax import-keras may know it"),
    (b"\x93NUMPY", "a single NumPy array", "save names with arrays as a .safetensors"),
    (b"\x1f\x8b", "a gzip archive", "unpack it, and name the file inside"),
    (b"BZh", "a bzip2 archive", "unpack it, and name the file inside"),
    (b"\xfd7zXZ\x00", "an xz archive", "unpack it, and name the file inside"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and name the file inside"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it, and name the file inside"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it, and name the file inside"),
    (b"GGUF", "a GGUF file of llama.cpp", "fetch the weights as a .safetensors or .pth"),
    (b"\x89PNG", "a PNG picture", "name the file of weights"),
    (b"\xff\xd8\xff", "a JPEG picture", "name the file of weights"),
    (b"GIF8", "a GIF picture", "name the file of weights"),
    (b"%PDF", "a PDF document", "name the file of weights"),
    (b"\x7fELF", "a program", "name the file of weights"),
    (b"MZ", "a program", "name the file of weights"),
    (b"SQLite format 3", "an SQLite database", "name the file of weights"),
    (b"\x08\x00\x00\x00", "a TensorFlow file", "convert it to a .safetensors"),
    (b"\x04\x00\x00\x00\x01\x00\x00\x00", "a file of Lua's Torch7", "convert it to a .safetensors"),
)  # fmt: skip
# Likewise, at a place further on.
_LATER: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"TFL3", "a TensorFlow Lite file", "convert it to a .safetensors"),
    (257, b"ustar", "a tar archive", "unpack it, and name the file inside"),
)
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error", b"<script", b"<body", b"<!--")


def describe(head: bytes) -> str:
    """Describes a file by its first bytes, and says what to do.

    >>> describe(b"<!DOCTYPE html><html>Not found")
    'a web page, not the file; fetch it again, by its direct address'

    Args:
        head: the first `HEAD` bytes, or all of a shorter file.

    Returns:
        Such as "a web page, not the file; …"; empty if the bytes say nothing.
    """
    if not head:
        return "empty (0 bytes); fetch it again"
    if not head.strip(b"\0"):
        return "full of zeros, as an unfinished download is; fetch it again"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_MARKUP):
        return "a web page, not the file; fetch it again, by its direct address"
    for start, what, remedy in _KINDS:
        if head.startswith(start):
            return f"{what}; {remedy}"
    for place, mark, what, remedy in _LATER:
        if head[place:].startswith(mark):
            return f"{what}; {remedy}"
    if _is_text(head):
        shown = " ".join(head[:40].decode(errors="replace").split())
        return f"a text ({shown!r}…), not the file; fetch it again"
    return ""


def _is_text(head: bytes) -> bool:
    """Checks whether bytes are printable ASCII, over more than a word."""
    return len(head) > 8 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


def read_head(path: Path) -> bytes:
    """Reads the first `HEAD` bytes of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD)
