"""What the pickle inside a file of PyTorch stands for: tensors, NumPy arrays and ordered dictionaries.

Everything else that a file would call becomes a `Foreign`, which holds nothing. PyTorch itself is not needed.
The calls are those of `torch._utils` and of NumPy's `__reduce__`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from ferjax.interop.inert_pickle import Foreign, Name, Unreadable

# PyTorch's names of types; NumPy has those below by ml_dtypes, and they are widened to float32.
_TYPES: dict[str, Any] = {
    "float64": np.float64, "double": np.float64, "float32": np.float32, "float": np.float32,
    "float16": np.float16, "half": np.float16, "int64": np.int64, "long": np.int64, "int32": np.int32,
    "int": np.int32, "int16": np.int16, "short": np.int16, "int8": np.int8, "char": np.int8,
    "uint8": np.uint8, "byte": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
    "bool": np.bool_, "complexfloat": np.complex64, "complex64": np.complex64,
    "complexdouble": np.complex128, "complex128": np.complex128, "untyped": np.uint8,
}  # fmt: skip
_NARROW: dict[str, Any] = {
    "bfloat16": ml_dtypes.bfloat16,
    **{name: getattr(ml_dtypes, name) for name in (
        "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
    )},
}  # fmt: skip
_MOST_AXES = 32


class Unread:
    """A tensor whose numbers cannot be had; NumPy's attempt to read them raises the reason.

    Attributes:
        reason: such as "a meta tensor, which holds no numbers".
        shape: the tensor's, `()` where it is unknown.
    """

    def __init__(self, reason: str, shape: Any = ()) -> None:
        """Makes the stand-in of a tensor."""
        self.reason = reason
        self.shape = shape if _is_shape(shape) else ()

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        """Raises TypeError."""
        raise TypeError(self.reason)


class Storage:
    """Numbers that several tensors may share.

    Attributes:
        dtype: the type of its tensors, unless they say another.
        place: where it was, such as `cpu`, `cuda:0` or `meta`.
    """

    def __init__(self, dtype: str, place: str, fetch: Callable[[str], np.ndarray]) -> None:
        """Describes a storage.

        Args:
            dtype: PyTorch's name of the type.
            place: see the class.
            fetch: reads all of its bytes as numbers of a type, one-dimensional, when a tensor needs them.
        """
        self.dtype, self.place = dtype, place
        self._fetch = fetch
        self._arrays: dict[str, np.ndarray] = {}

    def numbers(self, dtype: str) -> np.ndarray:
        """Reads all numbers, one-dimensional; those that NumPy has no type for as float32."""
        if dtype not in self._arrays:
            array = self._fetch(dtype)
            self._arrays[dtype] = array.astype(np.float32) if dtype in _NARROW else array
        return self._arrays[dtype]


def storage_type(name: Any) -> str:
    """Returns the type of a storage's class: `torch.FloatStorage` → `float`.

    Raises:
        Unreadable: it is no name.
    """
    if not isinstance(name, str):
        raise Unreadable("a storage has no type")
    return name.rpartition(".")[2].removesuffix("Storage").lower()


def numpy_type(dtype: str) -> np.dtype:
    """Returns NumPy's type, or that of `ml_dtypes`, for PyTorch's name of one.

    Raises:
        Unreadable: there is none.
    """
    known = _TYPES.get(dtype) or _NARROW.get(dtype)
    if known is None:
        raise Unreadable(f"numbers of type {dtype[:40]} are unknown")
    return np.dtype(known)


class Pending:
    """A value that is made after the whole pickle was read, when its storage or its state is known."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """Keeps what makes the value."""
        self.make = make


class _PendingArray(Pending):
    """A NumPy array of a pickle, which sets shape, type and bytes after it has made the array."""

    def __init__(self) -> None:
        super().__init__(lambda: Unread("an array without content"))

    def set_state(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        self.make = lambda: _numpy_array(content, dtype, shape, "F" if by_columns else "C")


class _NumpyType:
    """A type of NumPy, such as `f4`; its byte order is set afterwards."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "|"

    def set_state(self, state: Any) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype | None:
        """Returns the type; None unless it is of numbers."""
        text = f"{self.order}{self.code}"
        return np.dtype(text) if re.fullmatch(r"[<>=|]([biufc]\d{1,2}|\?)", text) else None


def build(name: str, arguments: tuple[Any, ...]) -> Any:
    """Makes what a call in a pickle stands for; see `ferjax.interop.inert_pickle.load`."""
    maker = _MAKERS.get(name.replace("numpy._core", "numpy.core"))
    return maker(*arguments) if maker else Foreign(name)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *rest: Any) -> Pending:
    """Makes a tensor of `_rebuild_tensor_v2` or `_v3`: after hooks follow a type or facts, or both."""
    dtype = next((str(item).removeprefix("torch.") for item in rest if isinstance(item, Name)), None)
    facts = rest[-1] if len(rest) > 2 and isinstance(rest[-1], dict) else {}
    if facts.get("conj") or facts.get("neg"):
        return Pending(lambda: Unread("a tensor that is conjugated or negated when it is read", size))
    return Pending(lambda: _strided(storage, offset, size, stride, dtype))


def _strided(storage: Any, offset: int, size: Any, stride: Any, dtype: str | None) -> Any:
    """Cuts a tensor out of its storage; one that would reach beyond it is refused."""
    if not isinstance(storage, Storage):
        raise Unreadable("a tensor has no storage")
    dtype = dtype or storage.dtype
    if storage.place == "meta":
        return Unread("a meta tensor, which holds no numbers", size)
    if dtype not in _TYPES and dtype not in _NARROW:
        return Unread(f"a tensor of {dtype[:40]}, which NumPy has no type for", size)
    if not (_is_shape(size) and _is_shape(stride) and len(size) == len(stride) and _is_shape((offset,))):
        raise Unreadable("a tensor has no shape")
    numbers = storage.numbers(dtype)
    reach = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and reach >= len(numbers):
        raise Unreadable("a tensor reaches beyond its numbers")
    if 0 in size:
        return np.zeros(size, numbers.dtype)
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False)


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) <= _MOST_AXES
        and all(type(length) is int and 0 <= length < 2**48 for length in value)
    )


def _numpy_array(content: Any, dtype: Any, shape: Any, order: str) -> Any:
    """Makes an array of bytes, without copying; one of objects or texts is not read."""
    found = dtype.dtype() if isinstance(dtype, _NumpyType) else None
    if isinstance(content, str):
        content = content.encode("latin-1")  # Python 2's texts are bytes
    if found is None or not isinstance(content, bytes | bytearray) or not _is_shape(shape):
        return Unread("an array of other things than numbers")
    return np.frombuffer(content, found).reshape(shape, order="F" if order == "F" else "C")


def _number(dtype: Any, content: Any = b"") -> Any:
    """Makes a NumPy scalar as a plain number; None where it is not one."""
    array = _numpy_array(content, dtype, (), "C")
    return array.item() if isinstance(array, np.ndarray) else None


def _mapping(*arguments: Any) -> dict[Any, Any]:
    """Makes a dictionary; such calls give its items as pairs, or set them afterwards."""
    pairs = arguments[-1] if arguments else ()
    if isinstance(pairs, dict):
        return dict(pairs)
    pairs = pairs if isinstance(pairs, list | tuple) else ()
    plain = [pair for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
    return {key: value for key, value in plain if isinstance(key, str | int)}


def _items(*arguments: Any) -> list[Any]:
    return list(arguments[0]) if arguments and isinstance(arguments[0], list | tuple) else []


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """Makes bytes of a text, as Python 3 writes them for Python 2."""
    return text.encode("latin-1") if isinstance(text, str) else b""


def _from_type(function: Any, kind: Any, arguments: Any, state: Any = None) -> Any:
    """Makes a tensor of a subclass: the plain one."""
    if isinstance(function, Name) and isinstance(arguments, tuple):
        return build(str(function), arguments)
    return Unread(f"a tensor of the class {str(kind)[:80]}")


def _reconstructed(kind: Any, *_: Any) -> Foreign:
    """Names an object of a class as the oldest protocols write it."""
    return Foreign(str(kind)[:200])


def _unread(reason: str) -> Callable[..., Unread]:
    return lambda *arguments: Unread(reason, next((item for item in arguments if _is_shape(item)), ()))


def _first(value: Any, *_: Any) -> Any:
    return value


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> Pending:
    return Pending(lambda: _numpy_array(content, dtype, shape, order))


_UTILS, _ARRAY = "torch._utils._rebuild_", "numpy.core.multiarray."
_MAKERS: dict[str, Callable[..., Any]] = {
    f"{_UTILS}tensor": _tensor,
    f"{_UTILS}tensor_v2": _tensor,
    f"{_UTILS}tensor_v3": _tensor,
    f"{_UTILS}parameter": _first,
    f"{_UTILS}parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.parameter.Buffer": _first,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    f"{_UTILS}device_tensor_from_numpy": _first,
    f"{_UTILS}device_tensor_from_cpu_tensor": _first,
    f"{_UTILS}xla_tensor": _first,
    f"{_UTILS}meta_tensor_no_storage": lambda dtype, size, *_: Unread(
        "a meta tensor, which holds no numbers", size
    ),
    f"{_UTILS}qtensor": lambda storage, offset, size, *_: Unread("a quantised tensor", size),
    f"{_UTILS}sparse_tensor": _unread("a sparse tensor"),
    f"{_UTILS}sparse_csr_tensor": _unread("a sparse tensor"),
    f"{_UTILS}nested_tensor": _unread("a nested tensor"),
    f"{_UTILS}wrapper_subclass": _unread("a tensor of a class without numbers of its own"),
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda *arguments: _mapping(*arguments[1:]),
    "collections.Counter": _mapping,
    "builtins.dict": _mapping,
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "builtins.list": _items,
    "__builtin__.set": _items,
    "torch.Size": lambda *arguments: tuple(_items(*arguments)),
    "_codecs.encode": _encoded,
    "copy_reg._reconstructor": _reconstructed,
    "copyreg._reconstructor": _reconstructed,
    f"{_ARRAY}_reconstruct": lambda *_: _PendingArray(),
    f"{_ARRAY}scalar": _number,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy.dtype": lambda code, *_: _NumpyType(str(code)[:8]),
}


def containers(value: Any) -> Iterator[Any]:
    """Yields every dictionary and list in a value, each once, though they may hold each other."""
    seen: set[int] = set()
    left = [value]
    while left:
        item = left.pop()
        if not isinstance(item, dict | list | tuple) or id(item) in seen:
            continue
        seen.add(id(item))
        if not isinstance(item, tuple):
            yield item
        left += item.values() if isinstance(item, dict) else item


def settle(value: Any) -> Any:
    """Makes every pending value in a content, in place; also returns it.

    Raises:
        Unreadable: a tensor does not fit its storage.
    """
    holder = [value]
    made: dict[int, tuple[Pending, Any]] = {}  # the pending value too, or another one could get its number
    for container in list(containers(holder)):
        places = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in list(places):
            if isinstance(item, Pending):
                if id(item) not in made:
                    made[id(item)] = item, item.make()
                container[key] = made[id(item)][1]
    return holder[0]
