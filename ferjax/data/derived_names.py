"""Recognises by its name an image of FER2013, and one that somebody made from another to balance a class."""

import re

_SUFFIX = r"\.(?:jpe?g|png|bmp|tiff?|webp|gif)"
# Training_123.jpg: what stands before the number is FER2013's official split.
FER2013_NAME = re.compile(r"(training|publictest|privatetest)_(\d+)", re.IGNORECASE)
# FER2013's own names end after the number; anything more is a copy's.
_WHOLE_FER2013_NAME = re.compile(
    rf"((?:Training|PublicTest|PrivateTest)_\d+)(?P<rest>.*?)(?:{_SUFFIX})+", re.IGNORECASE
)
# Training_1.jpg5.jpg: a whole name with something behind it. A suffix twice (x.png.jpg) is no more than that.
_WHOLE_NAME = re.compile(rf"(.+?){_SUFFIX}(?P<rest>(?!{_SUFFIX}).+?){_SUFFIX}", re.I)


def original_of(name: str) -> str | None:
    """Returns the name, without suffix, of the image that another was made from; None if it is none.

    >>> original_of("Training_1.jpg5.jpg"), original_of("Training_1 (2).png"), original_of("Training_1.jpg")
    ('Training_1', 'Training_1', None)

    Args:
        name: of a file, or its path with slashes.
    """
    name = name.rpartition("/")[2]
    for pattern in (_WHOLE_FER2013_NAME, _WHOLE_NAME):
        if (match := pattern.fullmatch(name)) and match["rest"]:
            return match[1]
    return None
