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
# FERPlus: the columns of fer2013new.csv that are classes; `unknown` and `NF` (no face) are not.
FERPLUS_COLUMNS: dict[str, str] = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
}
# RAF-DB (basic): the codes of its list, and the names of the folders in re-packed copies.
RAFDB_CODES: dict[str, str] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}
# AffectNet, old and new layout. The old one goes on: 8 none, 9 uncertain, 10 non-face.
AFFECTNET_CODES: dict[str, str] = {
    "0": "neutral",
    "1": "happy",
    "2": "sad",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "angry",
    "7": "contempt",
}
# ExpW: the last column of label.lst.
EXPW_CODES: dict[str, str] = dict(FER2013_CODES)
# CK+: the number in an _emotion.txt file.
CKPLUS_CODES: dict[str, str] = {
    "0": "neutral",
    "1": "angry",
    "2": "contempt",
    "3": "disgust",
    "4": "fear",
    "5": "happy",
    "6": "sad",
    "7": "surprise",
}
# CK+: ckextended.csv numbers the classes as FER2013 does, and contempt comes last.
CKPLUS_CSV_CODES: dict[str, str] = {**FER2013_CODES, "7": "contempt"}
# JAFFE: the letters after the subject in a file name.
JAFFE_CODES: dict[str, str] = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
# The Taiwan corpora: codes in a file name.
TAIWAN_CODES: dict[str, str] = {
    "ng": "neutral",
    "ag": "angry",
    "dg": "disgust",
    "fg": "fear",
    "hg": "happy",
    "sg": "sad",
    "pg": "surprise",
}
