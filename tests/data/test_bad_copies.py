"""A copy that is not the set, or not whole, is refused in one line."""

import shutil

import copies
import pytest
from copies import faces

every_layout = pytest.mark.parametrize("copy", copies.LAYOUTS, indirect=True)
OLD_TRAIN = "Manually_Annotated_file_lists/training.csv"


@every_layout
def test_a_wrong_folder_is_told_with_what_was_looked_for(copy):
    shutil.rmtree(copy.manual)
    copy.manual.mkdir()
    (copy.manual / "download.zip").write_bytes(b"PK")
    told = copy.refused(f"no {copy.name.partition('/')[0]} in .*: looked for .*; found download.zip")
    assert told.endswith("download.zip is an archive: unpack it first")


BAD_COPIES = {
    "half of RAF-DB": (
        "rafdb list",
        lambda copy: shutil.rmtree(copy.manual / "basic/Image"),
        "looked for basic/",
    ),
    "class folders": (
        "rafdb folders",
        lambda copy: [(copy.manual / "DATASET/train" / name).mkdir() for name in ("anger", "0")],
        r"train/0 is not named after a class \(nor are anger\); expected 1, 2, 3",
    ),
    "AffectNet's images": (
        "affectnet7 old",
        lambda copy: shutil.rmtree(copy.manual / "Manually_Annotated_Images"),
        "has Manually_Annotated_file_lists/ but no Manually_Annotated_Images/",
    ),
    "AffectNet's second list": (
        "affectnet7 old",
        lambda copy: (copy.manual / "Manually_Annotated_file_lists/validation.csv").unlink(),
        r"validation\.csv is missing",
    ),
    "all images missing": (
        "affectnet7 old",
        lambda copy: [path.unlink() for path in copy.manual.rglob("*.jpg")],
        r"no training example of affectnet7 in .*; \d+ were refused, the first is .*no such file",
    ),
    "AffectNet's columns": (
        "affectnet7 old",
        lambda copy: copy.edit(OLD_TRAIN, "face_x", "x"),
        r"training\.csv has no column face_x: its first line is 'subDirectory_filePath,x",
    ),
    "AffectNet's annotations": (
        "affectnet8 new",
        lambda copy: shutil.rmtree(copy.manual / "val_set/annotations"),
        "val_set has no folders images/ and annotations/",
    ),
    "ExpW's images": (
        "expw",
        lambda copy: shutil.rmtree(copy.manual / "image"),
        "unpack the archives of the images",
    ),
    "FERPlus alone": (
        "ferplus",
        lambda copy: (copy.manual / "fer2013.csv").unlink(),
        "looked for fer2013new.csv and",
    ),
    "FERPlus' columns": (
        "ferplus",
        lambda copy: copy.edit("fer2013new.csv", "contempt", "disdain"),
        r"fer2013new\.csv has no column contempt",
    ),
    "FERPlus' order": (
        "ferplus",
        lambda copy: copy.edit("fer2013.csv", ",Training\n", ",PrivateTest\n"),
        "the rows of the two files are not in the same order",
    ),
    "FERPlus' length": (
        "ferplus",
        lambda copy: (copy.manual / "fer2013.csv").write_text(
            (copy.manual / "fer2013.csv").read_text().rstrip("\n").rpartition("\n")[0]
        ),
        "have not the same number of rows",
    ),
    "FERPlus empty": ("ferplus", lambda copy: (copy.manual / "fer2013new.csv").write_text(""), "is empty"),
    "FERG's emotions": (
        "ferg",
        lambda copy: (copy.manual / "FERG_DB_256/mery/mery_bored").mkdir(),
        "mery_bored is not named after a class; expected mery_angry",
    ),
    "the user's names": (
        "folder classes",
        lambda copy: [faces.save(copy.manual / name / "0.png", "sad") for name in ("bored", "0")],
        r"no class is known for the labels '0', 'bored': --option=labels=NAME=CLASS,… maps them",
    ),
    "the user's list": (
        "folder csv",
        lambda copy: copy.edit("labels.csv", "label,", "emotion,"),
        r"labels\.csv has no column label: its first line is 'emotion",
    ),
    "two lists": (
        "folder csv",
        lambda copy: shutil.copy(copy.manual / "labels.csv", copy.manual / "b.csv"),
        "leave one",
    ),
    "no images": (
        "folder splits",
        lambda copy: [path.unlink() for path in copy.manual.rglob("*.png")],
        "no training example of folder",
    ),
}


@pytest.mark.parametrize(
    ("copy", "spoil", "told"), BAD_COPIES.values(), ids=list(BAD_COPIES), indirect=["copy"]
)
def test_a_copy_that_is_not_whole_is_refused(copy, spoil, told):
    spoil(copy)
    copy.refused(told, skip_bad_rows=True)
