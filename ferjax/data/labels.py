"""Label spaces: the two class orders inside ferjax, and the words that name their classes.

Every licensed set maps its labels as distributed into one of the spaces through one table in its own file
(`ferjax.data.sets`), once, when it is built. What is stored is the index in the space.
"""

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
