"""Reads pickles without running or importing anything: plain values, plain containers and stand-ins come out.

Python's own unpickler calls whatever a file names. This one is a small machine of its own: a name stays a
name, and only the caller's `build` decides what a call of it stands for. Work and memory are bounded by the
length of the file, whatever it holds.
"""

import pickletools
from collections.abc import Callable
from typing import IO, Any

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_MOST_OPERATIONS = 10_000_000  # a network of 10,000 arrays has some 300,000
_PLAIN_KEYS = (str, int, float, bytes, type(None))


class Unreadable(ValueError):
    """The file is no whole pickle of weights."""


class Name(str):
    """A name that a pickle would import, such as `torch.float32`."""

    __slots__ = ()


class Foreign(dict):
    """Stands for an object that is not built: empty, but for the items that the pickle puts into it.

    Attributes:
        name: what the pickle would have called.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        """Makes the stand-in of an object that `name` would have made."""
        super().__init__()
        self.name = name


Build = Callable[[str, tuple[Any, ...]], Any]


def load(file: IO[bytes], build: Build, persistent: Callable[[Any], Any]) -> Any:
    """Reads one pickle, up to its end.

    Args:
        file: at the beginning of a pickle; afterwards behind it.
        build: turns the name of a callable and its arguments into a value, a `Foreign` where it knows none.
            A value with a method `set_state` is given the state that the pickle has for it.
        persistent: turns what stands for an object outside of the pickle into that object.

    Returns:
        The object. Sets are lists; items whose keys are neither texts nor numbers are left out. Containers
        may hold themselves.

    Raises:
        Unreadable: the bytes are no pickle; other exceptions of the standard library mean the same.
    """
    machine = _Machine(build, persistent)
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        if count > _MOST_OPERATIONS:
            raise Unreadable("it has more operations than any file of weights")
        if operation.name == "STOP":
            return machine.stack.pop()
        machine.step(operation.name, argument)
    raise Unreadable("it ends too early")


class _Machine:
    """The stack of a pickle that is read, and what it remembers; a mark begins a new stack."""

    def __init__(self, build: Build, persistent: Callable[[Any], Any]) -> None:
        self.build, self.persistent = build, persistent
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Does one operation; the documentation of each is in `pickletools`."""
        match name:
            case _ if name in _VALUES:
                self.stack.append(argument)
            case "MARK":
                self.marked.append(self.stack)
                self.stack = []
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self.memory[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memory[len(self.memory)] = self.stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                self.stack.append(self.memory[argument])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_SET" | "EMPTY_DICT":
                self.stack.append({"TUPLE": tuple, "DICT": dict}.get(name.removeprefix("EMPTY_"), list)())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._join(int(name[-1]))
            case "TUPLE":
                items = tuple(self._above_mark())  # which replaces the stack
                self.stack.append(items)
            case "LIST" | "FROZENSET":
                items = self._above_mark()
                self.stack.append(items)
            case "DICT":
                items = self._above_mark()
                self.stack.append({})
                self._set_items(items)
            case "SETITEM":
                value, key = self.stack.pop(), self.stack.pop()
                self._set_items([key, value])
            case "SETITEMS":
                self._set_items(self._above_mark())
            case "APPEND":
                self._extend([self.stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._above_mark())
            case "BINPERSID":
                self.stack.append(self.persistent(self.stack.pop()))
            case "PERSID":
                self.stack.append(self.persistent(argument))
            case "GLOBAL":
                self.stack.append(Name(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                attribute, module = self.stack.pop(), self.stack.pop()
                self.stack.append(Name(f"{str(module)[:200]}.{str(attribute)[:200]}"))
            case "REDUCE" | "NEWOBJ" | "NEWOBJ_EX":
                if name == "NEWOBJ_EX":
                    self.stack.pop()  # keyword arguments
                arguments, called = self.stack.pop(), self.stack.pop()
                self._call(called, arguments)
            case "INST":
                self._call(Name(argument.replace(" ", ".", 1)), tuple(self._above_mark()))
            case "OBJ":
                called, *rest = self._above_mark()
                self._call(called, tuple(rest))
            case "BUILD":
                state = self.stack.pop()
                if set_state := getattr(self.stack[-1], "set_state", None):
                    set_state(state)
            case "POP":
                if self.stack:
                    self.stack.pop()
                else:
                    self._above_mark()
            case "POP_MARK":
                self._above_mark()
            case "DUP":
                self.stack.append(self.stack[-1])
            case _ if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            case _ if name not in ("PROTO", "FRAME"):
                raise Unreadable(f"it has the operation {name}, which no file of weights has")

    def _above_mark(self) -> list[Any]:
        """Takes everything above the last mark."""
        items, self.stack = self.stack, self.marked.pop()
        return items

    def _join(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise Unreadable("a tuple lacks items")
        self.stack[-count:] = [items]

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            # A nested tuple may take for ever to hash, and names no weight.
            target.update((key, value) for key, value in pairs if isinstance(key, _PLAIN_KEYS))

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _call(self, called: Any, arguments: Any) -> None:
        known = isinstance(called, Name) and isinstance(arguments, tuple)
        self.stack.append(
            self.build(str(called), arguments) if known else Foreign("a call of something without a name")
        )
