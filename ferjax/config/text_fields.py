"""Config fields whose text holds several values."""

import math
import re

from ferjax.config.field import NAME
from ferjax.errors import UserError


def parse_l2(text: str) -> tuple[tuple[str, float], ...]:
    """Reads `loss.l2`, such as `"fc1/kernel:0.001,fc2/kernel:0.01"`.

    Returns:
        Pairs (pattern, λ).

    Raises:
        UserError: a part is not PATTERN:NUMBER with a regular expression and a number that is not negative.
    """
    rules = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        pattern, colon, number = part.rpartition(":")
        try:
            strength = float(number)
            re.compile(pattern)
        except (ValueError, OverflowError, RecursionError, re.error):
            strength = -1.0
        if not (colon and pattern and 0 <= strength < float("inf")):
            raise UserError(
                f"in loss.l2, {part[:80]!r} is not PATTERN:NUMBER, such as fc1/kernel:0.001 (a regular "
                "expression that is searched in the parameters' paths, and a strength of at least 0)"
            )
        rules.append((pattern, strength))
    return tuple(rules)


def parse_extra(text: str) -> tuple[tuple[str, float], ...]:
    """Reads `augment.extra`, such as `"blur=0.5,my_package.my_file:rain=1"`.

    Returns:
        Pairs (name, strength); names are as `ferjax.registry.AUGMENTATIONS` finds them.

    Raises:
        UserError: a part is not NAME=STRENGTH with a strength above 0, or a name comes twice.
    """
    return _named_numbers("augment.extra", text, "strength")


def parse_mixture(text: str) -> tuple[tuple[str, float], ...]:
    """Reads `data.mixture`, such as `"fer2013=0.7,folder/mine=0.3"`.

    Returns:
        Pairs (name of a data set, weight).

    Raises:
        UserError: a part is not NAME=WEIGHT with a weight above 0, or a name comes twice.
    """
    return _named_numbers("data.mixture", text, "weight")


def _named_numbers(field: str, text: str, what: str) -> tuple[tuple[str, float], ...]:
    numbers: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or len(name) > NAME or not 0 < value < math.inf:
            raise UserError(f"in {field}, {part[:80]!r} is not NAME={what.upper()} with a {what} above 0")
        if name in numbers:
            raise UserError(f"in {field}, {name[:80]!r} comes twice")
        numbers[name] = value
    return tuple(numbers.items())
