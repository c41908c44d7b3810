"""Keeps decoded images in a file beside the set: written once, then read by index.

For sets that do not fit in memory: the system keeps in memory what fits of the file. It is read, not mapped
to memory: a mapped file that another process cuts short kills the process that looks at it.
"""

import contextlib
import errno
import fcntl
import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.copied_source import CopiedSource
from ferjax.data.sources import StreamSource, extras
from ferjax.errors import UserError
from ferjax.files import disk_trouble, replacing
from ferjax.platform.progress_bar import progress

FOLDER = "decoded"
# Images that a thread decodes and writes at a time: what is not yet written stays small.
CHUNK = 64


class DiskSource(CopiedSource[StreamSource]):
    """Reads decoded images from the file that `onto_disk` wrote. Its pickle is small: it opens it again.

    Args:
        stream: the same examples, encoded; gives their other values.
        path: the file.
    """

    def __init__(self, stream: StreamSource, path: Path) -> None:
        super().__init__(stream)
        self._path = path
        self._targets = _votes(stream) if stream.soft_labels else self._labels
        try:
            self._start = _header(path)[2]
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (as long as the source lives)
        except (OSError, ValueError, EOFError) as error:
            raise self._lost(error) from error

    def __reduce__(self) -> tuple:
        return DiskSource, (self._original, self._path)

    def __getitem__(self, index: int) -> dict[str, Any]:
        (record,) = self._original.read([index])
        return {**extras(record), "image": self._read(np.array([index]))[0], "label": self._labels[index]}

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        indices = self._checked(indices)
        return self.with_affect({"image": self._read(indices), "label": self._targets[indices]}, indices)

    def _read(self, indices: np.ndarray) -> np.ndarray:
        """Reads images: uint8 `[N, H, W, C]`. Safe in several threads: the file's position is not used."""
        images = np.empty((len(indices), *self.image_shape), np.uint8)
        file, size = self._file.fileno(), math.prod(self.image_shape)
        content = images.reshape(-1).data
        try:
            for place, index in enumerate(indices.tolist()):
                done = 0
                while done < size:
                    part = content[place * size + done : (place + 1) * size]
                    count = os.preadv(file, [part], self._start + index * size + done)
                    if not count:
                        raise EOFError("it was cut short")
                    done += count
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        return images

    def _lost(self, error: Exception) -> UserError:
        return UserError(
            f"the decoded images in {self._path} cannot be read any more "
            f"({getattr(error, 'strerror', None) or error}); run the same command again: it writes them "
            "anew, and a run goes on from its last checkpoint"
        )


def _votes(stream: StreamSource) -> np.ndarray:
    """Returns the soft labels of a stream, float32 [N, K], without decoding its images."""
    chunks = [range(i, min(i + CHUNK, len(stream))) for i in range(0, len(stream), CHUNK)]
    return np.concatenate([stream.targets(stream.read(chunk), chunk) for chunk in chunks])


def onto_disk(stream: StreamSource, folder: Path) -> DiskSource:
    """Opens the decoded images of a stream, after writing them if they are not there yet.

    The file's name holds a digest of the examples, the shape and how they are resized, so another size,
    another division or a set that was built anew has another file. It gets its name when it is whole.

    Args:
        stream: the examples.
        folder: of the built set; the file comes into `decoded/` in it.

    Raises:
        UserError: the disk is full or must not be written to, or an image is damaged.
    """
    path = folder / FOLDER / _name(stream)
    if not _whole(path, stream):
        try:
            with _alone(path):
                if not _whole(path, stream):  # another process may have written it meanwhile
                    _write(path, stream)
        except OSError as error:
            size = _bytes(stream) / 2**30
            mend = "make room" if disk_trouble(error) else "it must be a folder that can be written"
            raise UserError(
                f"cannot write the decoded images of {stream.name} {stream.split} ({size:.1f} GiB) to "
                f"{path.parent}: {error.strerror or error}; {mend}, or set data.cache=stream"
            ) from error
    return DiskSource(stream, path)


def _name(stream: StreamSource) -> str:
    shape = "x".join(map(str, stream.image_shape))
    key = hashlib.sha256(f"{stream.digest()} {len(stream)}".encode()).hexdigest()[:16]
    return f"{stream.split}-{shape}-{stream.resize}-{key}.npy"


def _bytes(stream: StreamSource) -> int:
    return len(stream) * int(np.prod(stream.image_shape, dtype=np.int64))


def _whole(path: Path, stream: StreamSource) -> bool:
    """Tells whether the file is there and of the right size; a copy may have cut it short."""
    try:
        dtype, shape, start = _header(path)
        size = path.stat().st_size
    except (OSError, ValueError, EOFError):
        return False
    wanted = (len(stream), *stream.image_shape)
    return (dtype, shape) == (np.uint8, wanted) and size == start + math.prod(wanted)


def _header(path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """Reads what `_write` wrote first: type and shape of the array, and where its content begins."""
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return dtype, shape, file.tell()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lets one process write while others wait. The lock ends with the process, however that ends."""
    path.parent.mkdir(exist_ok=True)
    with open(path.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # What a killed process left: nobody else writes now.
        for leftover in path.parent.glob(".*.tmp"):
            leftover.unlink()
        yield


def _write(path: Path, stream: StreamSource) -> None:
    free = shutil.disk_usage(path.parent).free
    if _bytes(stream) > free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({free / 2**30:.1f} GiB are free)")
    with replacing(path) as unfinished, open(unfinished, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(stream), *stream.image_shape)}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        _fill(file.fileno(), file.tell(), stream)
        os.fsync(file.fileno())


def _fill(file: int, start: int, stream: StreamSource) -> None:
    """Decodes on every core and writes each chunk to its place.

    `pwrite` reports a full disk; writing to a memory map would kill the process.
    """
    size = int(np.prod(stream.image_shape, dtype=np.int64))

    def fill(first: int) -> int:
        images = stream.take(range(first, min(first + CHUNK, len(stream))))["image"]
        written, content = 0, images.data.cast("B")
        while written < len(content):
            written += os.pwrite(file, content[written:], start + first * size + written)
        return len(images)

    title = f"decoding {stream.name} {stream.split} to disk"
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(title, "images", total=len(stream)) as bar,
    ):
        for done in pool.map(fill, range(0, len(stream), CHUNK)):
            bar.update(done)
