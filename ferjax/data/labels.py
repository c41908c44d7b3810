"""Label spaces: the two class orders inside ferjax, and the words that name their classes.

Every licensed set maps its labels as distributed into one of the spaces through one table in its own file
(`ferjax.data.sets`), once, when it is built. What is stored is the index in the space.
"""

from collections.abc import Iterable

from ferjax.errors import UserError

FER7: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER8: tuple[str, ...] = (*FER7, "contempt")

SPACES: dict[str, tuple[str, ...]] = {"fer7": FER7, "fer8": FER8}

# Words that name a class, in lower case: image folders and file lists of several sets use them.
WORDS: dict[str, str] = {
    "angry": "angry",
    "anger": "angry",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprise",
    "surprised": "surprise",
    "neutral": "neutral",
    "contempt": "contempt",
}

LONGEST_NAME = 100


def check_names(names: Iterable[str], *taken: str) -> None:
    """Raises UserError if a built set could not hold these names of classes, a line each, and give them back.

    Args:
        names: of the classes.
        *taken: words that mean something else.
    """
    for name in sorted(names):
        if not name.strip():
            why = "it is blank"
        elif name != name.strip():
            why = "it begins or ends with a blank"
        elif not name.isprintable():
            why = "it holds a letter that cannot be shown, such as a line break"
        elif len(name) > LONGEST_NAME:
            why = f"it has more than {LONGEST_NAME} letters"
        elif name.lower() in taken:
            why = "that word leaves images out"
        else:
            continue
        raise UserError(f"{name[:40]!r} cannot be the name of a class ({why}): give the class another name")
