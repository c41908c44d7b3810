"""Small copies of the sets in the layouts that are about, traps included. An image's grey tells its class.

`LAYOUTS` has them all: a name, the set, and a function that writes the files into a folder and returns what a
builder should make of them.
"""

from copies import affectnet, csv_sets, folder_sets, named_sets, rafdb
from copies.faces import class_of
from copies.truth import Truth

LAYOUTS = {
    "fer2013 csv": ("fer2013", csv_sets.write_fer2013),
    "fer2013 icml": ("fer2013", csv_sets.write_icml),
    "fer2013 folders": ("fer2013", folder_sets.write_fer2013_folders),
    "ferplus": ("ferplus", csv_sets.write_ferplus),
    "rafdb list": ("rafdb", rafdb.write_list),
    "rafdb folders": ("rafdb", rafdb.write_folders),
    "affectnet7 new": ("affectnet7", affectnet.write_new),
    "affectnet7 old": ("affectnet7", affectnet.write_old),
    "affectnet8 new": ("affectnet8", affectnet.write_new8),
    "affectnet8 old": ("affectnet8", affectnet.write_old8),
    "expw": ("expw", named_sets.write_expw),
    "ckplus sequences": ("ckplus", named_sets.write_ckplus_sequences),
    "ckplus CK+48": ("ckplus", folder_sets.write_ck48),
    "ckplus csv": ("ckplus", csv_sets.write_ckextended),
    "jaffe": ("jaffe", named_sets.write_jaffe),
    "ferg": ("ferg", folder_sets.write_ferg),
    "taiwan folders": ("taiwan", folder_sets.write_taiwan_folders),
    "taiwan codes": ("taiwan", named_sets.write_taiwan_codes),
    "folder classes": ("folder", folder_sets.write_classes),
    "folder splits": ("folder", folder_sets.write_splits),
    "folder csv": ("folder/mine", csv_sets.write_list),
}

__all__ = ["LAYOUTS", "Truth", "class_of"]
