"""What lies in a user's own folder is stored, or counted with its reason, or refused with the way out."""

import contextlib
import io
import os
from collections import Counter

import pytest
from copies import faces

from ferjax.commands.prepare import prepare
from ferjax.data import builders
from ferjax.data.builders.list_columns import split_of
from ferjax.data.records import Records, describe
from ferjax.errors import UserError

CLASSES = ("Angry", "Happy")


@pytest.fixture
def mine(tmp_path):
    """An empty folder for the user's files."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def add(folder, *names):
    for name in names:
        faces.save(folder / name, "sad", (20, 20))


def copy_of_an_image(folder, name):
    """A PNG file under any name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    faces.save(folder / "x.png", "sad", (20, 20))
    (folder / "x.png").rename(path)


def built(mine, **options):
    """What is stored: split → class → how many; and the printed notes."""
    data = mine.parent / "data"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        prepare("folder", str(mine), str(data), options=options)
    folder = builders.folder("folder", data)
    stored = Counter()
    for split in describe("folder", folder).splits:
        records = Records("folder", folder, split)
        for record in records.read(range(len(records))):
            stored[split, records.label_names[record["label"]], record["group"].decode()] += 1
    notes = [line for line in printed.getvalue().splitlines() if line.startswith("note: ")]
    assert notes == [f"note: {note}" for note in describe("folder", folder).metadata["notes"]]
    return stored, "\n".join(notes)


def refused(mine, told, **options):
    with pytest.raises(UserError, match=told) as caught:
        built(mine, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text.replace(str(mine), "")) <= 400
    assert not builders.folder("folder", mine.parent / "data").exists()
    return text


PLACES = {
    "nested": (
        "Angry/person2/1.png",
        "left out: 1 image deeper than their class folder, as Angry/person2/1.png",
    ),
    "gif": ("Happy/1.gif", "left out: 1 image of the format .gif, which is not read"),
    "heic": ("Happy/1.HEIC", "of the format .heic, which is not read"),
    "avif": ("Happy/1.avif", "of the format .avif"),
    "pgm": ("Happy/1.pgm", "of the format .pgm"),
    "no suffix": ("Happy/face_1", "without a suffix that names its format"),
    "odd suffix": ("Happy/face.1", "without a suffix that names its format"),
    "loose": ("1.png", "left out: 1 image loose in the folder, in no class folder, as 1.png"),
    "hidden": ("Happy/.1.png", "hidden, or in a hidden folder"),
    "hidden folder": (".old/1.png", "hidden, or in a hidden folder"),
    "archive": ("Happy/more.zip", "1 image or more in an archive that is not unpacked, as Happy/more.zip"),
    "not UTF-8": (os.fsdecode(b"Happy/b/\xff.png"), r"as Happy/b/\xff.png"),
    "escape": ("Happy/b/\x1b[31m.png", r"as Happy/b/\x1b[31m.png"),
}


@pytest.mark.parametrize(("place", "note"), PLACES.values(), ids=list(PLACES))
def test_images_beside_class_folders_are_counted(place, note, mine):
    add(mine, "Angry/0.png", "Happy/0.png")
    copy_of_an_image(mine, place)
    stored, notes = built(mine)
    assert stored == {("train", "angry", ""): 1, ("train", "happy", ""): 1}
    assert note in notes
    assert notes.count("left out") == 1


SPLIT_PLACES = {
    "loose": ("train/1.png", "left out: 1 image loose in train/, in no class folder, as train/1.png"),
    "no split": ("extra/Happy/1.png", "left out: 1 image in extra/, which is no split, as extra/Happy/1.png"),
    "nested": ("train/Happy/a/1.png", "deeper than their class folder"),
    "unlabelled": ("Test/1.png", "left out: 1 image loose in Test/, in no class folder, as Test/1.png"),
    "format": ("train/Happy/1.gif", "of the format .gif"),
    "root": ("1.png", "loose in the folder"),
}


@pytest.mark.parametrize(("place", "note"), SPLIT_PLACES.values(), ids=list(SPLIT_PLACES))
def test_images_beside_split_folders_are_counted(place, note, mine):
    add(mine, "train/Angry/0.png", "train/Happy/0.png", "Validation/Happy/0.png")
    copy_of_an_image(mine, place)
    stored, notes = built(mine)
    assert stored.total() == 3
    assert stored["validation", "happy", ""] == 1
    assert note in notes


def test_a_copy_of_fer2013_is_told_that_its_names_hold_the_split(mine):
    add(mine, "train/Angry/Training_1.jpg", "train/Happy/mine.png", "test/Happy/PublicTest_7.jpg")
    stored, notes = built(mine)
    assert stored.total() == 3
    assert "note: 2 images are named as FER2013's are" in notes


def test_what_is_no_image_is_not_counted(mine):
    add(mine, "Angry/0.png", "Happy/0.png")
    for name in ("README.txt", "Happy/notes.json", "Happy/.DS_Store", "__MACOSX/._0.png", "Thumbs.db"):
        (mine / name).parent.mkdir(exist_ok=True)
        (mine / name).write_bytes(b"\0\0")
    (mine / "Happy/linked.png").symlink_to(mine / "Happy/0.png")
    (mine / "Happy/loop").symlink_to(mine)
    os.mkfifo(mine / "Happy/pipe")
    stored, notes = built(mine)
    assert stored == {("train", "angry", ""): 1, ("train", "happy", ""): 2}
    assert "left out" not in notes


def test_a_label_that_is_left_out_is_counted(mine):
    add(mine, "Angry/0.png", "Happy/0.png", "bored/0.png", "bored/1.png")
    stored, notes = built(mine, labels="bored=None")
    assert stored.total() == 2
    assert "left out: 2 images of bored, which none leaves out, as bored/0.png" in notes


DEEPER = {
    "wrapped classes": (
        ["faces/Happy/0.png", "faces/Angry/0.png"],
        "one level deeper; name .*/faces instead",
    ),
    "wrapped splits": (
        ["faces/train/Happy/0.png", "faces/test/Happy/0.png"],
        "one level deeper; name .*/faces",
    ),
    "people in classes": (
        ["Happy/p1/0.png", "Angry/p2/0.png"],
        "of its 2 images.* one level deeper, or more; move",
    ),
    "people in splits": (
        ["train/Happy/p1/0.png", "test/Happy/p1/0.png"],
        "one level deeper, or more; move them",
    ),
    "flat": (["0.png", "1.png"], "of its 2 images, as 0.png, none lies in SPLIT/CLASS/ or CLASS/: sort them"),
    "train alone is flat": (
        ["train/0.png", "test/1.png"],
        "none lies in SPLIT/CLASS/.*: sort them into folders",
    ),
    "formats": (
        ["Happy/0.gif", "Angry/0.heic"],
        r"none is of a format that is read \(.gif, .heic\): convert",
    ),
    "train is deeper": (
        ["train/Happy/a/0.png", "test/Happy/0.png"],
        "no training example.*1 image deeper than",
    ),
}


@pytest.mark.parametrize(("names", "told"), DEEPER.values(), ids=list(DEEPER))
def test_images_that_lie_elsewhere_are_refused_with_the_way_out(names, told, mine):
    for name in names:
        copy_of_an_image(mine, name)
    refused(mine, told)


@pytest.mark.parametrize("space", ["auto", "own"])
def test_known_layouts_without_class_names_are_not_told_to_keep_them(space, mine):
    for split in ("train", "valid", "test"):
        add(mine, f"{split}/images/0.png")
        (mine / split / "labels").mkdir()
        (mine / split / "labels/0.txt").write_text("3 0.5 0.5 1 1")
    assert "space=own" not in refused(mine, "are the layout of YOLO", space=space)
    for split in ("train", "valid", "test"):
        (mine / split / "labels/0.txt").unlink()
        (mine / split / "labels").rmdir()
    assert "space=own" not in refused(mine, "the folder 'images' is not named after a class", space=space)
    assert built(mine, labels="images=happy")[0].total() == 3  # who says so may


def test_classes_called_like_a_split_are_no_splits(mine):
    add(mine, "valid/0.png", "invalid/0.png")
    assert built(mine, space="own")[0] == {("train", "valid", ""): 1, ("train", "invalid", ""): 1}


def write(mine, *rows, name="labels.csv"):
    (mine / name).write_text("\n".join(rows) + "\n")
    add(mine, *(f"{number}.png" for number in range(4)))


SPLIT_HEADS = ["Usage", "split", "Set", "subset", "partition", "data_split", "fold", "phase", "whatever"]


@pytest.mark.parametrize("head", SPLIT_HEADS)
def test_a_column_of_splits_is_used_whatever_its_name(head, mine):
    write(mine, f"path,label,{head}", "0.png,sad,Training", "1.png,sad,PublicTest", "2.png,sad,PrivateTest")
    stored, notes = built(mine)
    assert stored == {(split, "sad", ""): 1 for split in ("train", "validation", "test")}
    assert "left out: 1 image that labels.csv does not list, as 3.png" in notes
    assert (head == "split") != (f"the splits are those of the column {head.lower()!r}" in notes)


@pytest.mark.parametrize(
    "head",
    [
        "subject_id",
        "Subject",
        "person",
        "personId",
        "identity",
        "participant",
        "actor_id",
        "user id",
        "subjects",
    ],
)
def test_a_column_of_people_is_used_whatever_its_name(head, mine):
    write(mine, f"path,label,{head},split", "0.png,sad,p1,train", "1.png,sad,p1,test", "2.png,happy,,train")
    stored, notes = built(mine)
    assert stored == {("train", "sad", "p1"): 1, ("test", "sad", "p1"): 1, ("train", "happy", ""): 1}
    assert "1 of 1 people of labels.csv are in more than one split" in notes


LISTS = {
    "folds": (
        ["path,label,fold", "0.png,sad,1", "1.png,sad,2"],
        "column 'fold' .* holds '2', which is no split",
    ),
    "two splits": (
        ["path,label,split,Usage", "0.png,sad,train,train"],
        "'split' and 'usage', which both name",
    ),
    "two people": (["path,label,subject,person", "0.png,sad,a,b"], "'subject' and 'person', which both name"),
    "column twice": (["path,label,Label", "0.png,sad,sad"], "two columns called 'label'"),
    "label of no class": (["path,label", "0.png,froh"], "no class is known for the labels 'froh'"),
    "splits of no name": (
        ["path,label,split", "0.png,sad,", "1.png,sad,"],
        "column 'split' .* which is no split",
    ),
}


@pytest.mark.parametrize(("rows", "told"), LISTS.values(), ids=list(LISTS))
def test_a_list_that_could_be_misread_is_refused(rows, told, mine):
    write(mine, *rows)
    refused(mine, told)


def test_columns_and_lines_that_are_not_used_are_told(mine):
    write(mine, "path,label,age,gender", "0.png,sad,3,f", "0.png,sad,3,f", "1.png,bored,4,m", name="LIST.CSV")
    stored, notes = built(mine, labels="bored=none")
    assert stored == {("train", "sad", ""): 2}
    assert "columns of LIST.CSV that are not used: 'age', 'gender'" in notes
    assert "1 lines of LIST.CSV name an image that a line before names, too" in notes
    assert "left out: 1 lines of LIST.CSV whose label none leaves out" in notes
    assert "left out: 2 images that LIST.CSV does not list, as 2.png" in notes


NAMES = {
    "line break": "a\nb",
    "return": "a\rb",
    "blank at the end": "bored ",
    "blank at the start": " bored",
    "blanks": "  ",
    "no-break space": "\u00a0",
    "separator": "a\u2028b",
    "escape": "\x1b[31mred",
    "none": "none",
    "None": "None",
    "not UTF-8": os.fsdecode(b"\xff"),
    "long": "a" * 101,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_names_that_a_set_cannot_hold_are_refused(name, mine):
    add(mine, f"{name}/0.png", "bored/0.png")
    refused(mine, "cannot be the name of a class", space="own")


@pytest.mark.parametrize("label", ["a\nb", "\x1b", "a" * 101])
def test_names_of_the_option_are_checked_too(label, mine):
    add(mine, "bored/0.png")
    refused(mine, "cannot be the name of a class", space="own", labels=f"bored={label}")


def test_names_of_any_script_are_kept(mine):
    names = ["Wut", "très content", "悲しい", "😀", "none of these", "#1"]
    add(mine, *(f"{name}/0.png" for name in names))
    stored, _ = built(mine, space="own")
    assert {label for _, label, _ in stored} == set(names)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Train", "train"),
        ("VALID", "validation"),
        ("val_set", "validation"),
        ("test-set", "test"),
        ("dev", "validation"),
    ],
)
def test_words_of_splits(word, split):
    assert split_of(word) == split
