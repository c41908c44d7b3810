"""Pipes, folders, links and odd names in a copy of a set: told in one line, never waited for."""

import os
import shutil

import numpy as np
import pytest
from copies import faces
from copies.copy import Copy

from ferjax.data.builders import npy_annotations
from ferjax.data.images import decode

FACES = {
    "fer2013 folders": "train/sad/im0.png",
    "rafdb list": "basic/Image/aligned/train_00002_aligned.jpg",
    "rafdb folders": "DATASET/train/5/train_00002_aligned.jpg",
    "affectnet7 old": "Manually_Annotated_Images/0/train0.jpg",
    "affectnet7 new": "train_set/images/0.jpg",
    "expw": "image/origin/face_0.jpg",
    "ckplus sequences": "cohn-kanade-images/S000/001/S000_001_00000005.png",
    "ckplus CK+48": "CK+48/anger/S000_001_00000009.png",
    "jaffe": "jaffe/KA.AN1.1.tiff",
    "ferg": "FERG_DB_256/aia/aia_anger/aia_anger_1.png",
    "taiwan folders": "Sad/4.jpg",
    "folder splits": "Training/anger/0.png",
}


def make(path, kind):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(path.parent / "nothing")
    else:
        path.symlink_to(path)


def example(copy, layout):
    """A face of the copy, wherever its layout puts it."""
    path = copy.manual / FACES[layout]
    return path if path.exists() else min(copy.manual.rglob(f"*{path.suffix}"))


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "link to itself"])
@pytest.mark.parametrize("layout", FACES)
def test_an_image_that_is_no_file_is_told(tmp_path, layout, kind):
    copy = Copy(layout, tmp_path)
    path = example(copy, layout)
    make(path, kind)
    told = {
        "pipe": "is not a plain file",
        "folder": "is not a plain file",
        "link to nothing": "no such file",
        "link to itself": "no such file|can be followed",
    }[kind]
    if copy.name.startswith("affectnet"):  # it lists files that its archives lack: they are counted
        if kind == "link to itself":
            copy.refused("can be followed")
            return
        copy.prepare()
        assert copy.info().metadata["bad_rows"] > copy.truth.lost
    else:
        message = copy.refused(told)
        assert "\n" not in message
        assert path.name in message


LISTS = {
    "fer2013 csv": "fer2013.csv",
    "ferplus": "fer2013new.csv",
    "rafdb list": "basic/EmoLabel/list_patition_label.txt",
    "affectnet7 old": "Manually_Annotated_file_lists/training.csv",
    "affectnet7 new": "train_set/annotations/0_exp.npy",
    "expw": "label/label.lst",
    "ckplus csv": "ckextended.csv",
    "folder csv": "labels.csv",
}


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "link to itself"])
@pytest.mark.parametrize("layout", LISTS)
def test_a_list_that_is_no_file_is_told(tmp_path, layout, kind):
    copy = Copy(layout, tmp_path)
    make(copy.manual / LISTS[layout], kind)
    assert "\n" not in copy.refused(".")


@pytest.mark.parametrize("layout", ["fer2013 folders", "jaffe", "ferg", "taiwan folders", "folder classes"])
def test_names_that_are_no_utf8_are_stored_and_told(tmp_path, layout, capsys):
    copy = Copy(layout, tmp_path)
    path = min(
        path
        for path in copy.manual.rglob("*.*")
        if path.suffix in (".png", ".jpg", ".tiff") and "__" not in str(path)
    )
    odd = os.fsencode(path.parent) + b"/" + os.fsencode(path.stem) + b"\xe9" + os.fsencode(path.suffix)
    if layout == "jaffe":
        odd = os.fsencode(path.parent) + b"/stray\xe9.tiff"
    shutil.copy(path, odd)
    copy.prepare()
    capsys.readouterr().out.encode()
    ids = [record["id"].decode() for split in copy.info().splits for _, record in copy.records(split)]
    assert any("\\xe9" in name for name in ids) == (layout != "jaffe")
    shutil.rmtree(copy.data)
    with open(odd, "wb") as file:
        file.write(b"no image")
    if layout != "jaffe":
        copy.refused("not a readable image")


HEADERS = {
    "parentheses": "((((((((((",
    "deep": "(" * 200 + ")" * 200,
    "numbers as keys": "{1: 2, 3: 4}",
    "no dictionary": "[1, 2]",
    "a bool as shape": "{'descr': '<i8', 'fortran_order': False, 'shape': (True,)}",
    "negative": "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,)}",
    "huge": "{'descr': '<i8', 'fortran_order': False, 'shape': (10000000000000,)}",
    "a strange type": "{'descr': 'zz', 'fortran_order': False, 'shape': ()}",
    "a null": "{'descr': '<i8',\0 'fortran_order': False, 'shape': ()}",
    "complex": "{'descr': '<c16', 'fortran_order': False, 'shape': ()}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_a_npy_header_is_never_trusted(tmp_path, header):
    path = tmp_path / "0_exp.npy"
    content = header.encode().ljust(118) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(8))
    with pytest.raises(ValueError, match=r"a damaged \.npy header|an array of shape") as caught:
        npy_annotations.read_label(path)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (np.array("3"), "3"),
        (np.array([4]), "4"),
        (np.array(5.0), "5"),
        (np.array(b"7"), "7"),
        (np.int8(2), "2"),
    ],
)
def test_a_npy_label_of_any_plain_kind_is_read(tmp_path, value, code):
    np.save(tmp_path / "0_exp.npy", value)
    assert npy_annotations.read_label(tmp_path / "0_exp.npy") == code


def test_pixels_of_fer2013_folders_are_read_as_everywhere(tmp_path):
    copy = Copy("fer2013 folders", tmp_path)
    for number, name in enumerate(faces.FER7):
        levels = np.full((48, 48), faces.shade(name) * 257, np.uint16)
        path = copy.manual / "train" / name / f"im{number % 3}.png"
        path.unlink()
        faces.Image.fromarray(levels).save(path)
    copy.prepare()
    for name, record in copy.records():
        assert faces.class_of(decode(record["image"])) == name
