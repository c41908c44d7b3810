"""What is wrong with one row or image is told with its place, or skipped and counted; paths stay inside."""

import os
import shutil
import struct
import zlib

import numpy as np
import pytest
from copies import faces
from copies.copy import Copy


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path, width=60_000, height=60_000):
    """A PNG of a few bytes that says it is 3.6 gigapixels large."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b""))


RAF_LIST = "basic/EmoLabel/list_patition_label.txt"
RAF_FACE = "basic/Image/aligned/train_00002_aligned.jpg"
OLD_TRAIN = "Manually_Annotated_file_lists/training.csv"
EXPW = "label/label.lst"

# layout, what is done to the copy, what is told. A row that is refused so can be skipped.
BAD_ROWS = {
    "truncated image": (
        "rafdb list",
        lambda copy: cut(copy.manual / RAF_FACE),
        r"train_00002_aligned\.jpg: not a readable image",
    ),
    "empty file": ("ferg", lambda copy: _first(copy, "*.png").write_bytes(b""), "not a readable image"),
    "text for an image": (
        "folder classes",
        lambda copy: (copy.manual / "SAD/0.jpg").write_text("<html>"),
        r"SAD/0\.jpg: not a readable image \(cannot identify image file\)",
    ),
    "a listed file is missing": (
        "rafdb list",
        lambda copy: (copy.manual / RAF_FACE).unlink(),
        r"train_00002_aligned\.jpg: no such file",
    ),
    "decompression bomb": (
        "ckplus CK+48",
        lambda copy: bomb(_first(copy, "*.png")),
        r"not a readable image \(Image size \(3600000000 pixels\) exceeds",
    ),
    "large image": (
        "ckplus CK+48",
        lambda copy: bomb(_first(copy, "*.png"), 9000, 8000),
        r"9000×8000 pixels are more than 50,000,000",
    ),
    "RAF-DB label": (
        "rafdb list",
        lambda copy: copy.edit(RAF_LIST, "train_00003.jpg 7", "train_00003.jpg 8"),
        r"line 3: label '8' is not one of 1, 2, 3, 4, 5, 6, 7",
    ),
    "RAF-DB line": (
        "rafdb list",
        lambda copy: copy.edit(RAF_LIST, "train_00003.jpg 7", "../../../etc/passwd 5"),
        r"line 3: '../../../etc/passwd' is not a name like",
    ),
    "AffectNet label": (
        "affectnet7 old",
        lambda copy: copy.edit(OLD_TRAIN, ",8,-2", ",11,-2"),
        r"training\.csv line 26: label '11' is not one of 0, 1",
    ),
    "AffectNet box": (
        "affectnet8 old",
        lambda copy: copy.edit(OLD_TRAIN, ",60,20,80,80", ",60,x,80,80"),
        "the face box is not made of numbers",
    ),
    "AffectNet short line": (
        "affectnet8 old",
        lambda copy: copy.edit(OLD_TRAIN, ",60,20,80,80", ",60,20,80"),
        r"line \d+: 8 fields, expected 9",
    ),
    "AffectNet .npy label": (
        "affectnet7 new",
        lambda copy: _annotate(copy, np.array("12")),
        r"0_exp\.npy: label '12' is not one of",
    ),
    "AffectNet .npy text": (
        "affectnet7 new",
        lambda copy: _annotate(copy, np.array("happy")),
        r"0_exp\.npy: 'happy' is no number",
    ),
    "AffectNet .npy shape": (
        "affectnet7 new",
        lambda copy: _annotate(copy, np.arange(9)),
        r"an array of shape \(9,\)",
    ),
    "AffectNet .npy rubbish": (
        "affectnet7 new",
        lambda copy: (copy.manual / "train_set/annotations/0_exp.npy").write_bytes(b"rubbish" * 30),
        "magic string",
    ),
    "ExpW label": ("expw", lambda copy: copy.edit(EXPW, "42.5 3", "42.5 7"), "label '7' is not one of 0, 1"),
    "ExpW fields": ("expw", lambda copy: copy.edit(EXPW, " 42.5 3", " 3"), r"line \d+: 7 fields, expected 8"),
    "ExpW box": (
        "expw",
        lambda copy: copy.edit(EXPW, "20 80 150", "20 -80 150"),
        "is empty",
    ),
    "ExpW huge box": (
        "expw",
        lambda copy: copy.edit(EXPW, "20 80 150", "20 99999 150"),
        "far larger than the image",
    ),
    "ExpW no number": ("expw", lambda copy: copy.edit(EXPW, "20 80 150", "20 nan 150"), "is empty"),
    "CK+ label": (
        "ckplus sequences",
        lambda copy: _first(copy, "*_emotion.txt").write_text("   9.0000000e+00\n"),
        r"_emotion\.txt: label '9' is not one of 0, 1",
    ),
    "CK+ no label": (
        "ckplus sequences",
        lambda copy: _first(copy, "*_emotion.txt").write_text(""),
        r"_emotion\.txt: label '' is not",
    ),
    "CK+48 name": (
        "ckplus CK+48",
        lambda copy: faces.save(copy.manual / "CK+48/fear/face.png", "fear"),
        "so the person is not known",
    ),
    "CK+ csv label": (
        "ckplus csv",
        lambda copy: copy.edit("ckextended.csv", "\n7,", "\n8,"),
        r"ckextended\.csv line 9: label '8' is not one of 0 … 7",
    ),
    "JAFFE code": (
        "jaffe",
        lambda copy: faces.save(copy.manual / "jaffe/KA.XX1.99.tiff", "sad", (256, 256), "L"),
        r"KA\.XX1\.99\.tiff: label 'XX' is not one of AN, DI",
    ),
    "Taiwan code": (
        "taiwan codes",
        lambda copy: faces.save(copy.manual / "f01_image.jpg", "sad"),
        r"f01_image\.jpg: 0 of the codes ng, ag",
    ),
    "FERPlus votes": (
        "ferplus",
        lambda copy: copy.edit("fer2013new.csv", "png,0,0,0,0,7", "png,0,0,0,0,x"),
        r"fer2013new\.csv line 2: votes 'x' for anger",
    ),
    "FERPlus pixels": (
        "ferplus",
        lambda copy: copy.edit("fer2013.csv", "0,20 20", "0,20 2000"),
        r"fer2013\.csv line 2: pixel '2000' is not",
    ),
    "list's split": (
        "folder csv",
        lambda copy: copy.edit("labels.csv", ",Training,", ",trains,"),
        r"labels\.csv line 2: split 'trains' is not",
    ),
    "list without a path": (
        "folder csv",
        lambda copy: copy.edit("labels.csv", '"pictures/0, taken at home.png"', ""),
        "line 2: no path or no label",
    ),
    "stray quote": (
        "folder csv",
        lambda copy: copy.edit("labels.csv", '"pictures/0', 'x"pictures/0'),
        "line 2: 5 fields",
    ),
}


def _first(copy, pattern):
    return min(copy.manual.rglob(pattern))


def _annotate(copy, value):
    np.save(copy.manual / "train_set/annotations/0_exp.npy", value)


@pytest.mark.slow
@pytest.mark.parametrize(("copy", "spoil", "told"), BAD_ROWS.values(), ids=list(BAD_ROWS), indirect=["copy"])
def test_a_bad_row_or_image_is_told_or_skipped_and_counted(copy, spoil, told):
    spoil(copy)
    assert "--skip_bad_rows" in copy.refused(told)
    copy.prepare(skip_bad_rows=True)
    metadata = copy.info().metadata
    assert metadata["bad_rows"] >= copy.truth.lost + 1
    stored = sum(copy.info().splits[split].num_examples for split in copy.info().splits)
    assert copy.truth.examples.total() - 2 <= stored <= copy.truth.examples.total()


def test_a_pickle_is_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    copy = Copy("affectnet7 new", tmp_path)
    _annotate(copy, np.array(Trap(), dtype=object))
    (tmp_path / "sprung").rmdir() if (tmp_path / "sprung").exists() else None
    copy.refused("holds a pickle, which is never loaded")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("copy", "file", "old", "new"),
    [
        ("affectnet7 old", OLD_TRAIN, "\n0/train0.jpg", "\n../../secret.jpg"),
        ("affectnet7 old", OLD_TRAIN, "\n0/train0.jpg", "\n/etc/hostname"),
        ("expw", EXPW, "face_0.jpg", "../../../secret.jpg"),
        ("folder csv", "labels.csv", '"pictures/0, taken at home.png"', "../secret.jpg"),
    ],
    indirect=["copy"],
)
def test_paths_out_of_the_folder_are_refused_even_where_bad_rows_are_skipped(copy, file, old, new):
    faces.save(copy.manual.parent / "secret.jpg", "sad", (300, 300))
    copy.edit(file, old, new)
    copy.refused("leads out of", skip_bad_rows=True)


@pytest.mark.parametrize(
    ("copy", "link"),
    [
        ("rafdb list", RAF_FACE),
        ("rafdb list", "basic/EmoLabel"),
        ("rafdb folders", "DATASET/train/5"),
        ("affectnet7 new", "train_set/annotations"),
        ("affectnet7 new", "train_set/images"),
        ("ckplus sequences", "cohn-kanade-images/S000"),
        ("ckplus sequences", "Emotion/S000"),
        ("ckplus csv", "ckextended.csv"),
        ("jaffe", "jaffe"),
        ("ferg", "FERG_DB_256/aia"),
        ("taiwan folders", "Sad"),
        ("folder splits", "val"),
        ("ferplus", "fer2013new.csv"),
    ],
    indirect=["copy"],
)
def test_links_out_of_the_folder_are_refused(copy, link):
    outside = copy.manual.parent / "outside"
    shutil.move(copy.manual / link, outside)
    (copy.manual / link).symlink_to(outside)
    copy.refused("leads out of")
