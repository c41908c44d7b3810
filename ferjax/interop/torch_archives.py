"""PyTorch's file formats, read with NumPy alone: the zip of `torch.save`, and the row of pickles before it.

A plain pickle of arrays is read too. No code of a file is run and none is imported, see
`ferjax.interop.inert_pickle`; no more bytes are read than the file has.
"""

import io
import os
import struct
import sys
import zipfile
from typing import IO, Any

import numpy as np

from ferjax.interop import inert_pickle, pickled_tensors
from ferjax.interop.inert_pickle import Unreadable
from ferjax.interop.pickled_tensors import Storage, numpy_type, settle, storage_type

_CONTENT, _SCRIPT = "data.pkl", "constants.pkl"
_LARGEST_CONTENT = 2**28  # bytes of the pickle alone, without the numbers of tensors
_MAGIC = 0x1950A86A20F9469CFC6C
_NESTED = "torch.storage._load_from_bytes"  # how a plain pickle holds a tensor


class TorchScript(Unreadable):
    """The file is a program, not weights."""


def is_zip_of_torch(file: IO[bytes]) -> bool:
    """Checks whether a .zip holds what `torch.save` writes.

    Raises:
        zipfile.BadZipFile: it is no whole .zip.
    """
    with zipfile.ZipFile(file) as archive:
        return any(name.rpartition("/")[2] == _CONTENT for name in archive.namelist())


def read_zip(file: IO[bytes], size: int) -> Any:
    """Reads the zip that `torch.save` writes.

    Args:
        file: the whole file.
        size: its length in bytes: no more are taken from it.

    Returns:
        The object, with NumPy arrays for tensors; see `ferjax.interop.pickled_tensors`.

    Raises:
        TorchScript: it is a program.
        Unreadable: it is damaged, or no file of PyTorch; other exceptions mean the same.
    """
    with zipfile.ZipFile(file) as archive:
        names = {name.rpartition("/")[2]: name.rpartition("/")[0] for name in archive.namelist()}
        if _SCRIPT in names:
            raise TorchScript("a TorchScript program")
        folder = names[_CONTENT]
        left = size

        def record(name: str) -> bytes:
            nonlocal left
            entry = archive.getinfo(f"{folder}/{name}".removeprefix("/"))
            left -= entry.file_size
            if left < 0:  # compressed, or two entries in one place
                raise Unreadable("it unpacks to more than the file holds")
            return archive.read(entry)

        order = sys.byteorder
        if f"{folder}/byteorder" in archive.namelist():
            order = record("byteorder").decode()

        def storage(identity: Any) -> Storage:
            _, kind, key, place, *_ = identity
            if key not in storages:
                storages[key] = Storage(
                    storage_type(kind),
                    str(place),
                    lambda dtype: _numbers(record(f"data/{key}"), dtype, order),
                )
            return storages[key]

        storages: dict[Any, Storage] = {}
        return settle(inert_pickle.load(io.BytesIO(record(_CONTENT)), pickled_tensors.build, storage))


def _numbers(content: bytes | memoryview, dtype: str, order: str) -> np.ndarray:
    array = np.frombuffer(content, numpy_type(dtype))
    return array if order == sys.byteorder else array.byteswap()


def read_pickles(file: IO[bytes], size: int, nested: bool = False) -> Any:
    """Reads the format of PyTorch before 1.6, or a plain pickle of tensors or NumPy arrays.

    Args:
        file: at its beginning.
        size: its length in bytes.
        nested: it is inside of another one, and holds no third one.

    Returns:
        See `read_zip`.

    Raises:
        Unreadable: see `read_zip`.
    """
    storages: dict[Any, tuple[int, int]] = {}  # key → where its numbers begin, and how many bytes

    def numbers(key: Any, dtype: str, view: tuple[int, int] | None, kind: str) -> np.ndarray:
        start, length = storages[key]
        unit = numpy_type(kind).itemsize
        offset, count = view or (0, length // unit)
        if offset < 0 or count < 0 or (offset + count) * unit > length:
            raise Unreadable("a part of a storage reaches beyond it")
        file.seek(start + offset * unit)
        return np.frombuffer(file.read(count * unit), numpy_type(dtype))

    views: dict[Any, Storage] = {}

    def storage(identity: Any) -> Storage:
        _, kind, key, place, _, *rest = identity
        view = rest[0] if rest and rest[0] else None
        part = (view[1], view[2]) if view else None
        name = storage_type(kind)
        units[key] = numpy_type(name).itemsize
        return views.setdefault(
            view[0] if view else key,
            Storage(name, str(place), lambda dtype: numbers(key, dtype, part, name)),
        )

    units: dict[Any, int] = {}

    def build(name: str, arguments: tuple[Any, ...]) -> Any:
        if name == _NESTED and not nested and arguments and isinstance(arguments[0], bytes):
            return read_pickles(io.BytesIO(arguments[0]), len(arguments[0]), nested=True)
        return pickled_tensors.build(name, arguments)

    def next_pickle() -> Any:
        return inert_pickle.load(file, build, storage)

    content = next_pickle()
    if content == _MAGIC:
        _, _, content, keys = [next_pickle() for _ in range(4)]  # first the protocol and facts of the system
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            length = count * units[key]
            storages[key] = file.tell(), length
            if count < 0 or file.tell() + length > size:
                raise Unreadable("the numbers of a tensor are cut off")
            file.seek(length, os.SEEK_CUR)
    return content if nested else settle(content)
