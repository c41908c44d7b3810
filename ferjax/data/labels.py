"""Label spaces: the only two class orders inside ferjax, and how names map into them.

Every licensed set maps its labels as distributed into one of the spaces through one table
here, once, when it is built. What is stored is the index in the space.
"""

FER7: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER8: tuple[str, ...] = (*FER7, "contempt")

SPACES: dict[str, tuple[str, ...]] = {"fer7": FER7, "fer8": FER8}

# FER2013: the codes in the column `emotion` of its CSV files.
FER2013_CODES: dict[str, str] = {
    "0": "angry",
    "1": "disgust",
    "2": "fear",
    "3": "happy",
    "4": "sad",
    "5": "surprise",
    "6": "neutral",
}
# FER2013: the folders of its image copies. Names only: a folder called 0 … 6 may be numbered by
# the alphabet, so it is refused.
FER2013_FOLDERS: dict[str, str] = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprise",
}
