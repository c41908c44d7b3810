"""Lists in any encoding, with anything in their fields: read rightly, or refused in one line."""

import os

import fer2013_copies
import numpy as np
import pytest

from ferjax.data import builders
from ferjax.data.builders import text_files
from ferjax.data.builders.text_files import lines, listed_path, small_text, table
from ferjax.data.sets.ferplus import FERPLUS_COLUMNS, NO_CLASS, majority
from ferjax.errors import UserError

ROWS = "path,label\nа/ü.png,sad\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_is_read_in_any_unicode_encoding(encoding, end, tmp_path):
    (tmp_path / "a.csv").write_bytes(ROWS.replace("\n", end).encode(encoding))
    assert list(table(tmp_path / "a.csv", ("path", "label"))) == [(2, {"path": "а/ü.png", "label": "sad"})]


REFUSED = {
    "latin": ("path,label\nü,sad\n".encode("latin-1"), r"line 2 is no text in UTF-8: save the file in UTF-8"),
    "utf-16 without its mark": (ROWS.encode("utf-16-le"), "line 1 .*(null character|no text)"),
    "null": (b"path,label\na\0b,sad\n", "line 2 holds a null character"),
    "long field": (b"path,label\n" + b"a" * 70_000 + b",sad\n", "line 2 is longer than any row"),
    "zeros": (bytes(100_000), "line 1 is longer than any row"),
    "empty": (b"", "is empty"),
    "mark alone": (b"\xef\xbb\xbf", "is empty"),
    "blank lines": (b"\n \n", "is empty"),
    "semicolons": (b"path;label\na;sad\n", "no column path .*separated by semicolons, and must be by commas"),
    "tabs": (b"path\tlabel\na\tsad\n", "separated by tabs"),
    "column twice": (b"path,label,Label\na,sad,fear\n", "two columns called 'label': leave one"),
}


@pytest.mark.parametrize(("content", "told"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_list_is_refused(content, told, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=told) as caught:
        list(table(tmp_path / "a.csv", ("path", "label")))
    assert len(str(caught.value)) <= 400


def test_files_larger_than_they_can_be_are_not_read(tmp_path):
    for name, size in (("a.csv", text_files.MOST_BYTES + 1), ("S005_001_emotion.txt", 2**31)):
        with open(tmp_path / name, "wb") as file:
            os.truncate(file.fileno(), size)  # a hole: it takes no room on the disk
    with pytest.raises(UserError, match="more than 8 GiB, which no list has"):
        next(lines(tmp_path / "a.csv"))
    with pytest.raises(ValueError, match="has more than 64 KiB"):
        small_text(tmp_path / "S005_001_emotion.txt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no ordinary file"):
        next(lines(tmp_path / "pipe"))
    with pytest.raises(ValueError, match="is not a plain file"):
        small_text(tmp_path / "pipe")


@pytest.mark.parametrize("copy", ["ckplus sequences"], indirect=True)
@pytest.mark.parametrize("pattern", ["Emotion/*/*/*_emotion.txt", "Landmarks/x"])
def test_ckplus_reads_no_large_file(copy, pattern):
    path = next(iter(copy.manual.glob(pattern)), None)
    if path is None:
        frame = next(path for path in sorted(copy.manual.glob("cohn-kanade-images/S000/*/*.png")))
        place = copy.manual / "Landmarks" / frame.parent.relative_to(copy.manual / "cohn-kanade-images")
        place.mkdir(parents=True)
        path = place / f"{frame.stem}_landmarks.txt"
        path.touch()
    os.truncate(path, 2**31)
    copy.refused("has more than 64 KiB")


@pytest.mark.parametrize("votes", ["9" * 400, "9" * 5000, "12345", "-1", "1e3", "nan", "²", "٣", "1_0", ""])
def test_votes_that_nobody_collects_are_refused(votes):
    row = dict.fromkeys((name.lower() for name in (*FERPLUS_COLUMNS, *NO_CLASS)), "0")
    with pytest.raises(ValueError, match="for happiness are not a whole number below 10,000"):
        majority(row | {"happiness": votes})
    assert majority(row | {"happiness": "9999"})[0] == "happy"


@pytest.mark.parametrize("number", ["1e400", "nan", "inf", "-inf", "9" * 5000, "0x10", ""])
@pytest.mark.parametrize("copy", ["expw"], indirect=True)
def test_boxes_of_odd_numbers_are_refused(copy, number):
    copy.edit("label/label.lst", "20 80 150", f"20 {number} 150")
    told = copy.refused("(face box is not made of numbers|box .* is empty|fields, expected|far larger)")
    assert len(told) <= 400 + len(str(copy.manual))


def test_paths_of_windows_are_understood(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").touch()
    (tmp_path / "b\\0.png").touch()
    assert listed_path(tmp_path, "a\\0.png") == tmp_path / "a" / "0.png"
    assert listed_path(tmp_path, ".\\a\\0.png") == tmp_path / "a" / "0.png"
    assert listed_path(tmp_path, "b\\0.png") == tmp_path / "b\\0.png"  # a name on Linux may hold one
    for path in ("C:\\faces\\0.png", "\\\\server\\faces\\0.png", "\\faces\\0.png", "c:0\\1.png"):
        with pytest.raises(ValueError, match="is a path of another computer"):
            listed_path(tmp_path, path)


@pytest.mark.parametrize(
    ("copy", "file"),
    [
        ("folder csv", "labels.csv"),
        ("affectnet7 old", "Manually_Annotated_file_lists/training.csv"),
        ("expw", "label/label.lst"),
    ],
    indirect=["copy"],
)
def test_a_list_from_windows_gives_the_same_set(copy, file):
    if file == "label/label.lst":  # its images lie in one folder
        (copy.manual / "image/origin/0").mkdir()
        for path in (copy.manual / "image/origin").glob("*.jpg"):
            path.rename(path.parent / "0" / path.name)
        text = "".join(f"0/{line}\n" for line in (copy.manual / file).read_text().splitlines())
        (copy.manual / file).write_text(text)
    (copy.manual / file).write_text((copy.manual / file).read_text().replace("/", "\\"))
    copy.prepare()
    assert sum(split.num_examples for split in copy.info().splits.values()) == copy.truth.examples.total()


def test_names_of_classes_in_fer2013_are_read(tmp_path):
    names = ["Angry", "disgust", "Fear", "Happiness", "Sad", "Surprise", "neutral"]
    path = fer2013_copies.write_fer2013_csv(tmp_path, fer2013_copies.rows(7, 7, 7))
    first, *rows = path.read_text().splitlines()
    path.write_text("\n".join([first, *(names[int(row[0])] + row[1:] for row in rows), ""]))
    builder = builders.create("fer2013", tmp_path / "data", manual_dir=tmp_path)
    assert [example["label"] for _, example in builder.examples(tmp_path)] == list(range(7)) * 3


def spoil_every(copy, file, change):
    first, *rows = (copy.manual / file).read_text().splitlines()
    (copy.manual / file).write_text("\n".join([first, *map(change, rows)]) + "\n")


def replace_by_web_pages(copy):
    for path in copy.manual.rglob("*.tiff"):
        path.write_text("<html>")


PATTERNS = {
    "labels are names of another language": (
        "fer2013 csv",
        lambda copy: spoil_every(copy, "fer2013.csv", lambda row: "froh" + row[1:]),
        "label 'froh' is not one of 0 … 6",
    ),
    "labels count from one": (
        "rafdb list",
        lambda copy: spoil_every(
            copy, "basic/EmoLabel/list_patition_label.txt", lambda row: f"{row[:-1]}{int(row[-1]) + 5}"
        ),
        "is not one of 1, 2, 3, 4, 5, 6, 7",
    ),
    "every image is missing": (
        "folder csv",
        lambda copy: (copy.manual / "pictures").rename(copy.manual / "images"),
        "no such file",
    ),
    "every path is of another computer": (
        "folder csv",
        lambda copy: (copy.manual / "labels.csv").write_text("path,label\n" + "C:\\0.png,sad\n" * 9),
        "is a path of another computer",
    ),
    "every image is a web page": ("jaffe", replace_by_web_pages, "not a readable image"),
}


@pytest.mark.parametrize(("copy", "spoil", "told"), PATTERNS.values(), ids=list(PATTERNS), indirect=["copy"])
def test_where_all_rows_are_refused_nobody_is_told_to_skip_them(copy, spoil, told):
    spoil(copy)
    told = copy.refused(told)
    assert "--skip_bad_rows" not in told
    assert "rows are refused: perhaps this is another set, or another layout" in told


@pytest.mark.parametrize("copy", ["ferplus"], indirect=True)
def test_a_huge_vote_is_one_bad_row(copy):
    copy.edit("fer2013new.csv", "png,0,0,0,0,7", f"png,0,0,0,0,{'9' * 400}")
    assert "--skip_bad_rows" in copy.refused("fer2013new.csv line 2: votes '99999999999999999999' for anger")
    copy.prepare(skip_bad_rows=True)
    assert np.isfinite(copy.records()[0][1]["votes"]).all()


def test_columns_that_are_missing_are_counted(tmp_path):
    (tmp_path / "list.csv").write_text("x;y\n")
    with pytest.raises(
        UserError, match="no column a and no column b and no column c and 2 more: its first line"
    ):
        list(table(tmp_path / "list.csv", list("abcde")))
