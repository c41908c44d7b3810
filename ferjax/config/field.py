"""A row of the config's schema, and the kinds of values that a field may take."""

import dataclasses
import difflib
import re
from collections.abc import Callable
from typing import Any, Protocol

from ferjax.errors import UserError
from ferjax.files import place
from ferjax.registry import Registry

NAME = 120  # characters that a name may have
_LONGEST = 80  # characters of a wrong value that an error shows


class Allowed(Protocol):
    """Describes the values that a field may hold, beside their type."""

    @property
    def words(self) -> str:
        """Says it in a message or a table."""
        ...

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of the config.

    Attributes:
        name: `group.field`; `stages.stageN.field` for a field that every stage has.
        default: gives the type too: bool, int, float, str, or dict for a group whose fields are free.
        allowed: which values of that type.
        unit: what a number counts or measures; empty for pure numbers and for texts.
        help: one sentence.
        free: whether the field never changes a number, so that a run may go on with another value.
    """

    name: str
    default: Any
    allowed: Allowed
    unit: str
    help: str
    free: bool = False

    @property
    def type_name(self) -> str:
        """The type as in messages: bool, int, float, str or dict."""
        return type(self.default).__name__

    def check(self, value: Any, name: str = "") -> None:
        """Checks a value of the right type.

        Args:
            value: the value.
            name: of the field, where it is not `self.name`, as in a stage.

        Raises:
            UserError: the field may not hold it.
        """
        self.allowed.check(name or self.name, value)


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two limits; NaN never is, and no limit is infinite.

    Attributes:
        least: the lower limit.
        most: the upper limit.
        above: the lower limit itself is too low.
        below: the upper limit itself is too high.
        also: one value outside that is allowed.
    """

    least: float
    most: float
    above: bool = False
    below: bool = False
    also: int | None = None

    @property
    def words(self) -> str:
        """Says it in a message or a table."""
        also = "" if self.also is None else f"{self.also} or "
        low, high = "above" if self.above else "at least", "below" if self.below else "at most"
        return f"{also}{low} {number(self.least)} and {high} {number(self.most)}"

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        low = value > self.least if self.above else value >= self.least
        high = value < self.most if self.below else value <= self.most
        if not (low and high) and value != self.also:
            raise UserError(f"config field {name} is {shown(value)}; it must be {self.words}")


@dataclasses.dataclass(frozen=True)
class Choices:
    """One of some texts."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        """Says it in a message or a table."""
        return ", ".join(self.names)

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        if value not in self.names:
            raise UserError(_no_choice(name, value, self.names, self.words))


@dataclasses.dataclass(frozen=True)
class Registered:
    """A name in a registry, or `package.module:function` for code of the user's own.

    Looking a name up imports the code that it stands for.
    """

    registry: Registry[Any, Any]

    @property
    def words(self) -> str:
        """Says it in a message or a table."""
        return f"{', '.join(self.registry.names())}, or package.module:function"

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        _check_length(name, value, NAME)
        if ":" in value:
            self.registry.find(value)
        elif value not in self.registry.names():
            raise UserError(_no_choice(name, value, self.registry.names(), self.words))


def _check_length(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise UserError(f"config field {name} has {len(value)} characters; it may have {longest}")


def _no_choice(name: str, value: Any, names: tuple[str, ...], words: str) -> str:
    near = difflib.get_close_matches(str(value)[:_LONGEST], names, n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"config field {name} is {shown(value)}{hint}; it takes {words}"


@dataclasses.dataclass(frozen=True)
class Text:
    """Any text, or one that `parse` can read.

    Attributes:
        words: what stands in the text, for a table.
        parse: raises UserError for a text that is wrong; not called with an empty one.
        longest: the largest number of characters.
    """

    words: str
    parse: Callable[[str], Any] | None = None
    longest: int = 4096

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        _check_length(name, value, self.longest)
        if self.parse and value:
            self.parse(value)


@dataclasses.dataclass(frozen=True)
class Place:
    """A file or folder of this machine or in object storage, or empty."""

    words: str

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        _check_length(name, value, longest=4096)
        try:
            place(value)
        except UserError as error:
            raise UserError(f"config field {name}: {error}") from None


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression, or empty."""

    words: str = "a regular expression"

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field `name` may not hold `value`, which has the field's type."""
        _check_length(name, value, 4096)
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise UserError(f"config field {name} {shown(value)} is no regular expression: {error}") from None


@dataclasses.dataclass(frozen=True)
class Anything:
    """Every value of the type."""

    words: str

    def check(self, name: str, value: Any) -> None:
        """Allows every value."""


def shown(value: Any) -> str:
    """A wrong value for a message, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def number(value: float) -> str:
    """A limit as one would write it in a config: 0.5, 16, 2**20, 1e+30."""
    if value != int(value) or value >= 1e12:
        return f"{value:g}"
    whole = int(value)
    power = whole.bit_length() - 1
    return f"2**{power}" if power >= 14 and whole == 2**power else str(whole)
