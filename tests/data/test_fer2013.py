import io
import itertools
import os
import signal
import subprocess
import sys
import textwrap

import fer2013_copies as copies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.audit.run import audit
from ferjax.data import builders
from ferjax.data.builders import shards
from ferjax.data.derived_names import original_of
from ferjax.data.labels import FER7
from ferjax.data.records import Records, describe
from ferjax.data.sets import fer2013
from ferjax.data.sets.fer2013 import FER2013, FER2013_CODES
from ferjax.data.sets.fer2013_folders import FER2013_FOLDERS
from ferjax.errors import UserError


def build(manual, data, **options):
    builders.build(builders.create("fer2013", data, manual_dir=manual, **options))
    return builders.folder("fer2013", data)


def stored(folder, split):
    records = Records("fer2013", folder, split)
    read = records.read(range(len(records)))
    images = np.stack([np.asarray(Image.open(io.BytesIO(record["image"]))) for record in read])
    return images, [record["label"] for record in read], [record["id"].decode() for record in read]


def test_tables_are_pinned():
    assert [FER7.index(FER2013_CODES[str(code)]) for code in range(7)] == [0, 1, 2, 3, 4, 5, 6]
    assert FER7 == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert list(FER2013_CODES.values()) == list(FER7)
    assert list(FER2013_FOLDERS) == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert all(folder == name for folder, name in FER2013_FOLDERS.items())


@pytest.mark.parametrize(
    "write",
    [
        copies.write_fer2013_csv,
        copies.write_icml_csv,
        lambda folder, rows: copies.write_fer2013_csv(folder / "fer2013", rows),
    ],
    ids=["fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv"],
)
def test_csv_layouts_are_stored_exactly_and_in_order(tmp_path, write):
    rows = copies.rows(9, 4, 5)
    write(tmp_path / "manual", rows)
    folder = build(tmp_path / "manual", tmp_path / "data")
    for split, usage in copies.USAGE.items():
        wanted = [(label, image) for label, image, row_usage in rows if row_usage == usage]
        images, labels, ids = stored(folder, split)
        np.testing.assert_array_equal(images, [image for _, image in wanted])
        assert labels == [label for label, _ in wanted]
        assert all(".csv:" in name for name in ids)
    assert stored(folder, "train")[2][0].endswith(".csv:2")


def test_splits_may_be_mixed_and_quoted_fields_read(tmp_path):
    rows = copies.rows(4, 3, 3)[::-1]
    path = copies.write_fer2013_csv(tmp_path, rows)
    text = path.read_text().replace("emotion,pixels,Usage", '\ufeff"emotion","pixels","Usage"')
    path.write_text(text.replace(f",{copies.pixels(rows[0][1])},", f',"{copies.pixels(rows[0][1])}",'))
    images, _, _ = stored(build(tmp_path, tmp_path / "data"), "test")
    np.testing.assert_array_equal(images, [image for _, image, usage in rows if usage == "PrivateTest"])


def test_folders_map_by_name_and_have_no_validation(tmp_path):
    images = copies.faces(14)
    names = sorted(FER7)  # the order in which a program lists the folders is not ours
    content = {"train": {name: images[i : i + 1] for i, name in enumerate(names)}}
    content["test"] = {name: images[7 + i : 8 + i] for i, name in enumerate(names)}
    copies.write_folders(tmp_path / "manual", content)
    folder = build(tmp_path / "manual", tmp_path / "data")
    info = describe("fer2013", folder)
    assert list(info.splits) == ["train", "test"]
    got, labels, ids = stored(folder, "train")
    np.testing.assert_array_equal(got, images[:7])
    assert [FER7[label] for label in labels] == names
    assert ids[0] == "train/angry/im000.png"
    assert any("no validation split" in note for note in info.metadata["notes"])
    assert not any("merges" in note for note in info.metadata["notes"])


def test_folders_that_merge_the_two_test_sets_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(FER2013.PUBLISHED, "test", {"total": 1})
    copies.write_folders(tmp_path, {split: {"happy": copies.faces(2)} for split in ("train", "test")})
    notes = describe("fer2013", build(tmp_path, tmp_path / "data")).metadata["notes"]
    assert any("test/ holds 2 images: this copy merges PublicTest" in note for note in notes)


def notes_and_ids(manual, data, **options):
    folder = build(manual, data, **options)
    info = describe("fer2013", folder)
    return info.metadata["notes"], {split: stored(folder, split)[2] for split in info.splits}


OFFICIAL = {
    "train": ["Training_1.jpg", "Training_20.jpg"],
    "validation": ["PublicTest_3.jpg"],
    "test": ["PrivateTest_4.jpg"],
}
# What a copy calls the folder of each split.
LAYOUTS = {
    "merged test": ("train", "test", "test"),
    "three": ("train", "validation", "test"),
    "capitals": ("Train", "VAL", "Test"),
    "wrapped": ("archive/fer/train", "archive/fer/valid", "archive/fer/test"),
    "usages": ("training", "Public_Test", "PrivateTest"),
    "all in one": ("", "", ""),
    "all in one, wrapped": ("images", "images", "images"),
    "all in train": ("train", "train", "train"),
}


@pytest.mark.parametrize("folders", LAYOUTS.values(), ids=list(LAYOUTS))
def test_the_official_split_comes_from_the_names_wherever_they_lie(tmp_path, folders):
    paths = {
        split: [f"{place}/{label}/{name}".strip("/") for label in ("happy", "sad") for name in names]
        for place, (split, names) in zip(folders, OFFICIAL.items(), strict=True)
    }
    copies.write_named(tmp_path / "manual", [path for split in paths.values() for path in split])
    notes, ids = notes_and_ids(tmp_path / "manual", tmp_path / "data")
    wrapper = os.path.commonpath(folders) + "/" if folders[0] != folders[2] or folders[0] == "images" else ""
    assert ids == {
        split: [path.removeprefix(wrapper) for path in sorted(listed)] for split, listed in paths.items()
    }
    assert notes[0].startswith("the official split was read from the file names")
    assert not any("no validation split" in note for note in notes)
    moved = [note for note in notes if "lay in the folder of" in note]
    wanted = {
        "merged test": ["2 images of the official validation split lay in the folder of test"],
        "all in train": [
            "2 images of the official test split lay in the folder of train",
            "2 images of the official validation split lay in the folder of train",
        ],
    }
    (layout,) = [name for name, held in LAYOUTS.items() if held == folders]
    assert moved == wanted.get(layout, [])


@pytest.mark.parametrize(
    "name", ["validation", "val", "valid", "Validation", "VALID", "public_test", "Public Test", "PublicTest"]
)
def test_folders_of_a_validation_split_are_read_though_names_are_changed(tmp_path, name):
    places = {"train": "Train", "validation": name, "test": "private_test"}
    copies.write_named(tmp_path / "manual", [f"{place}/Fear/im0.png" for place in places.values()])
    notes, ids = notes_and_ids(tmp_path / "manual", tmp_path / "data")
    assert ids == {split: [f"{place}/Fear/im0.png"] for split, place in places.items()}
    assert not any("official split" in note or "no validation" in note for note in notes)


def test_made_up_images_are_counted_and_left_out_unless_asked_for(tmp_path):
    real = ["train/disgust/Training_1.jpg", "test/disgust/PublicTest_2.jpg", "test/sad/PrivateTest_3.jpg"]
    made = [
        "train/disgust/Training_1.jpg0.jpg",
        "train/disgust/Training_1.jpg17.jpg",
        "test/disgust/PublicTest_2_flip.png",
        "test/disgust/PrivateTest_9 (2).jpg",
    ]
    copies.write_named(tmp_path / "manual", [*real, *made])
    notes, ids = notes_and_ids(tmp_path / "manual", tmp_path / "data")
    assert [name for split in ("train", "validation", "test") for name in ids[split]] == real
    (told,) = [note for note in notes if "made up" in note]
    assert told.startswith("4 images are made up from others")
    for part in (
        "2 of disgust in train",
        "1 of disgust in validation",
        "1 of disgust in test",
        "--option=made_up=keep",
    ):
        assert part in told
    notes, ids = notes_and_ids(tmp_path / "manual", tmp_path / "more", options={"made_up": "keep"})
    assert sorted(name for split in ids.values() for name in split) == sorted([*real, *made])
    assert len(ids["validation"]) == 2
    assert any("4 images are made up" in note and "were kept" in note for note in notes)
    with pytest.raises(UserError, match="option made_up=perhaps: it takes drop or keep"):
        build(tmp_path / "manual", tmp_path / "third", options={"made_up": "perhaps"})


def test_the_audit_names_made_up_images_and_whether_they_leak(tmp_path):
    copies.write_named(
        tmp_path / "manual",
        [
            *("train/sad/Training_1.jpg", "train/sad/Training_1.jpg1.jpg", "train/sad/x.png"),
            *("test/sad/x.png_flip.png", "test/sad/PrivateTest_1.jpg"),
        ],
    )
    folder = build(tmp_path / "manual", tmp_path / "data", options={"made_up": "keep"})
    report = audit("fer2013", folder, {})
    assert report["derived"] == {
        "train": {"count": 1, "first": ["Training_1.jpg1.jpg"], "original_elsewhere": 0},
        "test": {"count": 1, "first": ["x.png_flip.png"], "original_elsewhere": 1},
    }
    found = [finding for finding in report["findings"] if finding["check"] == "derived"]
    assert [finding["serious"] for finding in found] == [True, False]
    assert "1 image of test made from other images" in found[0]["text"]
    assert found[0]["text"].endswith("as x.png_flip.png from x; the originals of 1 stand in another split")


def test_folders_and_names_may_be_mixed_and_a_name_that_stands_twice_is_stored_once(tmp_path):
    copies.write_named(
        tmp_path / "manual",
        [
            *("train/sad/Training_1.jpg", "train/happy/Training_1.jpg", "train/sad/mine.png"),
            *("test/sad/Training_1.jpg", "test/sad/PrivateTest_5.jpg", "models/net.png"),
        ],
    )
    notes, ids = notes_and_ids(tmp_path / "manual", tmp_path / "data")
    assert ids == {
        "train": ["train/happy/Training_1.jpg", "train/sad/Training_1.jpg", "train/sad/mine.png"],
        "test": ["test/sad/PrivateTest_5.jpg"],
    }
    text = "\n".join(notes)
    assert "1 have other names and are divided by their folders" in text
    assert "1 images stand more than once" in text
    assert "not read, being neither a split nor a class: models/" in text


def test_class_folders_alone_need_the_official_names(tmp_path):
    copies.write_named(tmp_path, ["happy/im0.png", "sad/im1.png"])
    with pytest.raises(UserError, match=r"the official split is lost.*prepare folder/NAME"):
        build(tmp_path, tmp_path / "data")
    copies.write_named(tmp_path, ["happy/Training_1.jpg"])
    with pytest.raises(UserError, match=r"happy/im0.png: neither its folder nor its name"):
        build(tmp_path, tmp_path / "data")


def test_published_numbers_are_confirmed_or_told_by_class(tmp_path, monkeypatch):
    monkeypatch.setattr(
        FER2013,
        "PUBLISHED",
        {
            "train": {"happy": 1, "sad": 2, "total": 3},
            "validation": {"happy": 1, "total": 1},
            "test": {"happy": 1, "total": 1},
        },
    )
    copies.write_named(
        tmp_path / "manual",
        [
            *("train/happy/Training_1.jpg", "train/sad/Training_1.jpg"),
            *("val/happy/PublicTest_1.jpg", "test/happy/PrivateTest_1.jpg"),
        ],
    )
    notes, _ = notes_and_ids(tmp_path / "manual", tmp_path / "data")
    assert "train has not the published numbers of images: sad 1 for 2" in notes
    assert "every class has its published number of images in validation, test" in notes


def test_the_folders_beside_a_csv_are_named(tmp_path):
    copies.write_fer2013_csv(tmp_path, copies.rows(3, 1, 1))
    copies.write_named(tmp_path, ["train/happy/Training_1.jpg"])
    notes, _ = notes_and_ids(tmp_path, tmp_path / "data")
    assert "fer2013.csv was read; the folders of images beside it were not" in notes


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("Training_1.jpg5.jpg", "Training_1"),
        ("test/disgust/PrivateTest_77.jpg130.jpg", "PrivateTest_77"),
        ("publictest_3_aug.PNG", "publictest_3"),
        ("face.png_flip.png", "face"),
        ("list.csv:7 sad/b.jpeg-2.jpg", "b"),
        ("Training_1.jpg", None),
        ("Training_1.jpg.jpg", None),
        ("photo.png.jpg", None),
        ("train_00001_aligned.jpg", None),
        ("KA.AN1.39.tiff", None),
        ("S010_004_00000017.png", None),
        ("fer2013.csv:12", None),
    ],
)
def test_a_made_up_image_is_known_by_its_name(name, original):
    assert original_of(name) == original


def test_folders_with_jpeg_colour_files(tmp_path):
    copies.write_folders(tmp_path, {"train": {"sad": []}, "test": {"sad": copies.faces(1)}})
    grey = Image.new("RGB", (48, 48), (90, 90, 90))
    grey.save(tmp_path / "train" / "sad" / "Training_1.jpg")
    images, labels, _ = stored(build(tmp_path, tmp_path / "data"), "train")
    np.testing.assert_allclose(images, 90, atol=2)
    assert [FER7[label] for label in labels] == ["sad"]


def test_unknown_class_folder(tmp_path):
    copies.write_folders(tmp_path, {"train": {"3": copies.faces(1)}, "test": {"sad": copies.faces(1)}})
    with pytest.raises(UserError, match=r"train/3 is not named after a class; expected angry, "):
        build(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("what", ["file", "class folder"])
def test_links_out_of_the_folder_are_refused(tmp_path, what):
    manual, outside = tmp_path / "manual", tmp_path / "outside"
    copies.write_folders(manual, {split: {"sad": copies.faces(1)} for split in ("train", "test")})
    outside.mkdir()
    Image.fromarray(copies.faces(1)[0]).save(outside / "x.png")
    link, target = {
        "file": (manual / "train" / "sad" / "x.png", outside / "x.png"),
        "class folder": (manual / "train" / "fear", outside),
    }[what]
    link.symlink_to(target)
    with pytest.raises(UserError, match="leads out of"):
        build(manual, tmp_path / "data")


BAD_ROWS = {
    "few pixels": ("0,1 2 3,Training", "3 pixels, expected 2304"),
    "not a number": (f"0,{'7 ' * 2303}x,Training", "pixel 'x' is not an integer of 0 … 255"),
    "fraction": (f"0,{'7 ' * 2303}1.5,Training", "pixel '1.5' is not"),
    "too large": (f"0,{'7 ' * 2303}256,PublicTest", "pixel '256' is not"),
    "negative": (f"0,{'7 ' * 2303}-1,Training", "pixel '-1' is not"),
    "label": (f"7,{'7 ' * 2304},Training", "label '7' is not one of 0 … 6"),
    "no label": (f",{'7 ' * 2304},Training", "label '' is not one of 0 … 6"),
    "usage": (f"0,{'7 ' * 2304},Train", "unknown Usage 'Train', expected Training, PublicTest, PrivateTest"),
    "cut off": (f"0,{'7 ' * 1000}", "2 fields, expected 3"),
    "stray quote": (f'0,"{"7 " * 2303},Training', "2303 pixels, expected 2304"),
}


@pytest.mark.parametrize(("row", "why"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_bad_rows_are_told_by_line_or_skipped_and_counted(tmp_path, row, why):
    path = copies.write_fer2013_csv(tmp_path, copies.rows(3, 2, 2))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], row, *lines[3:], row]) + "\n")
    with pytest.raises(UserError) as caught:
        build(tmp_path, tmp_path / "data")
    assert f"{path} line 4: {why}" in str(caught.value)
    assert "--skip_bad_rows" in str(caught.value)
    assert not builders.folder("fer2013", tmp_path / "data").exists()

    folder = build(tmp_path, tmp_path / "data", skip_bad_rows=True)
    info = describe("fer2013", folder)
    assert info.metadata["bad_rows"] == 2
    assert [info.splits[split].num_examples for split in ("train", "validation", "test")] == [3, 2, 2]


def test_bad_images_are_told_or_skipped(tmp_path):
    copies.write_folders(tmp_path, {split: {"sad": copies.faces(2)} for split in ("train", "test")})
    (tmp_path / "train" / "sad" / "im000.png").write_bytes(b"not an image")
    Image.new("L", (64, 48)).save(tmp_path / "test" / "sad" / "im001.png")
    with pytest.raises(UserError, match=r"train/sad/im000.png: not a readable image"):
        build(tmp_path, tmp_path / "data")
    info = describe("fer2013", build(tmp_path, tmp_path / "data", skip_bad_rows=True))
    assert info.metadata["bad_rows"] == 2
    assert [info.splits[split].num_examples for split in ("train", "test")] == [1, 1]


def test_the_csv_is_streamed(tmp_path):
    path = copies.write_fer2013_csv(tmp_path, copies.rows(3, 0, 0))
    with open(path, "a") as file:
        file.write("bad row\n")
    builder = builders.create("fer2013", tmp_path / "data", manual_dir=tmp_path)
    assert len(list(itertools.islice(builder.examples(tmp_path), 3))) == 3


def test_a_line_without_end_is_not_read_into_memory(tmp_path):
    path = copies.write_fer2013_csv(tmp_path, copies.rows(1, 0, 0))
    with open(path, "a") as file:
        file.write("1 " * 2**16)
    with pytest.raises(UserError, match=r"line 3 is longer than any row"):
        build(tmp_path, tmp_path / "data", skip_bad_rows=True)


def test_lists_without_labels(tmp_path):
    (tmp_path / "test.csv").write_text("pixels\n1 2 3\n")
    (tmp_path / "train.csv").write_text("emotion,pixels\n0,1 2 3\n")
    with pytest.raises(UserError, match=r"without labels.*icml_face_data\.csv"):
        build(tmp_path, tmp_path / "data")
    (tmp_path / "test.csv").rename(tmp_path / "fer2013.csv")
    with pytest.raises(UserError, match=r"no column emotion and no column usage.*has no labels"):
        build(tmp_path, tmp_path / "data")


def test_no_training_rows(tmp_path):
    copies.write_fer2013_csv(tmp_path, copies.rows(0, 2, 2))
    with pytest.raises(UserError, match="no training example"):
        build(tmp_path, tmp_path / "data")


@pytest.mark.slow
@given(line=st.text(max_size=60) | st.tuples(st.text(max_size=5), st.text(max_size=9)).map(",".join))
@settings(deadline=None, max_examples=60)
def test_any_line_is_parsed_or_refused_with_a_reason(line):
    parse = fer2013._row_parser("fer2013.csv", "emotion,pixels,Usage\n")
    with pytest.raises(ValueError, match=r"expected|not one of|not an integer"):
        parse(line)


@given(st.binary(min_size=1, max_size=64), st.integers(0, 6))
@settings(deadline=None, max_examples=20)
def test_any_image_survives_the_csv(pattern, label):
    parse = fer2013._row_parser("icml_face_data.csv", "emotion, Usage, pixels\n")
    image = np.resize(np.frombuffer(pattern, np.uint8), (48, 48, 1))
    split, got_image, got_label = parse(f"{label},PublicTest,{copies.pixels(image)}\n")
    assert (split, got_label) == ("validation", label)
    np.testing.assert_array_equal(got_image, image)


def test_shards_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_EXAMPLES", 3)
    rows = copies.rows(9, 2, 2)
    copies.write_fer2013_csv(tmp_path, rows)
    folder = build(tmp_path, tmp_path / "data")
    assert len(list(folder.glob("fer2013-train.array_record-*"))) > 2
    np.testing.assert_array_equal(stored(folder, "train")[0], [image for _, image, _ in rows[:9]])


def run_build(tmp_path, before):
    """Builds in a process of its own after some lines of code; returns it."""
    code = textwrap.dedent(before) + textwrap.dedent(f"""
        from ferjax.data import builders
        from ferjax.errors import UserError
        try:
            manual, data = {str(tmp_path)!r}, {str(tmp_path / "data")!r}
            builders.build(builders.create("fer2013", data, manual_dir=manual))
        except UserError as error:
            print(error)
    """)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def visible(data):
    return [path for path in data.rglob("*") if path.is_file() and not path.name.endswith(".lock")]


def test_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path):
    copies.write_fer2013_csv(tmp_path, copies.rows(60, 2, 2))
    # A quota of 64 KiB a file stands for the full disk: both show when the writer closes a shard.
    run = run_build(tmp_path, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))")
    assert f"cannot build fer2013 in {tmp_path / 'data'}: File too large" in run.stdout, run.stderr
    assert len(run.stdout.splitlines()) == 1
    assert visible(tmp_path / "data") == []
    assert not builders.folder("fer2013", tmp_path / "data").exists()


def test_killed_build_is_not_taken_for_a_whole_one_and_swept_up(tmp_path):
    copies.write_fer2013_csv(tmp_path, copies.rows(6, 2, 2))
    run = run_build(
        tmp_path,
        """
        import os, signal
        from ferjax.data.sets.fer2013 import FER2013
        whole = FER2013.examples
        def examples(self, folder):
            for i, example in enumerate(whole(self, folder)):
                if i == 4:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield example
        FER2013.examples = examples
        """,
    )
    assert run.returncode == -signal.SIGKILL
    folder = builders.folder("fer2013", tmp_path / "data")
    assert not folder.exists()
    assert any("incomplete" in name for name in os.listdir(folder.parent))
    build(tmp_path, tmp_path / "data")
    assert os.listdir(folder.parent) == ["1.0.0"]
    assert len(Records("fer2013", folder, "train")) == 6
