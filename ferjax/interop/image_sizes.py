"""Finds the size of the images that some weights are for, by layers whose shape follows it."""

import math
from collections.abc import Callable, Mapping

Shapes = Mapping[str, tuple[int, ...]]
_LARGEST = 1024  # pixels


def size_shown(shapes_at: Callable[[int], Shapes], misshapen: Shapes, usual: int) -> int | None:
    """Finds the image size that gives some arrays their shapes.

    Args:
        shapes_at: gives every array's shape at an image size; may raise at one that the network cannot take.
        misshapen: the arrays that have another shape at the usual size, and the shape that they have.
        usual: that size, pixels.

    Returns:
        Pixels, a multiple of eight if one fits; None if no size gives these shapes.
    """
    if not follow_size(shapes_at, misshapen, usual):
        return None

    def shapes(size: int) -> dict[str, tuple[int, ...]]:
        try:
            found = shapes_at(size)
        except Exception:  # layers fail in many ways on images that are too small for them
            return {}
        return {key: found[key] for key in misshapen}

    def taken(low: int, high: int) -> int | None:
        """Finds the first size that the network takes; some take only multiples of a number."""
        return next((size for size in range(low, high) if shapes(size)), None)

    wanted = sum(map(math.prod, misshapen.values()))
    low, high = 1, _LARGEST
    while low < high:  # the smallest size at which the layers are as large
        middle = (low + high) // 2
        tried = taken(middle, high)
        if tried is not None and sum(map(math.prod, shapes(tried).values())) < wanted:
            low = tried + 1
        else:
            high = middle
    low = taken(low, _LARGEST + 1) or low
    fitting = (size for size in (-(-low // 8) * 8, low) if shapes(size) == dict(misshapen))
    return next(fitting, None)


def follow_size(shapes_at: Callable[[int], Shapes], keys: Shapes, usual: int) -> bool:
    """Checks whether the shape of every one of some arrays follows the size of the images."""
    once, twice = shapes_at(usual), shapes_at(2 * usual)
    return bool(keys) and all(once[key] != twice[key] for key in keys)
