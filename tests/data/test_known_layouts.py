"""Copies of the named sets as they are about: read, or told by name with the way to use them."""

import shutil
from pathlib import Path

import pytest
from copies import faces
from copies.rafdb import CODES

from ferjax.commands.prepare import prepare
from ferjax.data import builders
from ferjax.data.builders.known_layouts import known_layout
from ferjax.data.images import decode
from ferjax.data.records import Records, describe
from ferjax.errors import UserError


def built(name, manual, data, **options):
    """split → (class that the image shows, class that is stored), and the notes."""
    prepare(name, str(manual), str(data), **options)
    info = describe(name, builders.folder(name, data))
    pairs = {}
    for split in info.splits:
        records = Records(name, builders.folder(name, data), split)
        pairs[split] = [
            (faces.class_of(decode(record["image"])), records.label_names[record["label"]])
            for record in records.read(range(len(records)))
        ]
    return pairs, info.metadata["notes"]


def refused(name, manual, data, **options):
    with pytest.raises(UserError) as caught:
        prepare(name, str(manual), str(data), **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message.replace(str(manual), "/home/me/pictures")) <= 400
    assert not builders.folder(name, data).exists()
    return message


def every(pairs):
    return {split: sorted(shown for shown, _ in held) for split, held in pairs.items()}


def right(pairs):
    return all(shown == stored for held in pairs.values() for shown, stored in held)


# ---------------------------------------------------------------- RAF-DB


@pytest.mark.parametrize("wrapper", ["", "DATASET/"])
def test_the_lists_of_raf_db_from_kaggle(tmp_path, wrapper):
    manual = tmp_path / "manual"
    for split in ("train", "test"):
        lines = ["image,label"]
        for number, name in enumerate(faces.FER7, start=1):
            file = f"{split}_{number:05d}_aligned.jpg"
            faces.save(manual / wrapper / split / file, name, (100, 100))
            lines.append(f"{file},{CODES[name]}")
        (manual / f"{split}_labels.csv").write_text("\n".join(lines) + "\n")
    faces.save(manual / wrapper / "train/train_99999_aligned.jpg", "sad", (100, 100))
    pairs, notes = built("rafdb", manual, tmp_path / "data")
    assert every(pairs) == dict.fromkeys(("train", "test"), sorted(faces.FER7))
    assert right(pairs)
    assert f"1 images were left out, as no list names them: 1 in {wrapper}train/" in notes


@pytest.mark.parametrize(
    "names",
    [("Train", "Validation", "Test"), ("train", "val", "test"), ("TRAIN", "valid", "TEST")],
)
@pytest.mark.parametrize("numbered", [True, False])
def test_folders_of_raf_db_in_any_case_and_with_a_validation_split(tmp_path, names, numbered):
    manual = tmp_path / "manual"
    places = dict(zip(("train", "validation", "test"), names, strict=True))
    for place in places.values():
        for name in faces.FER7:
            class_folder = str(CODES[name]) if numbered else name.upper()
            faces.save(manual / place / class_folder / "0.jpg", name, (100, 100))
    pairs, notes = built("rafdb", manual, tmp_path / "data")
    assert every(pairs) == dict.fromkeys(places, sorted(faces.FER7))
    assert right(pairs)
    assert any("RAF-DB has no official validation split" in note for note in notes)


def compound(folder, codes):
    (folder / "EmoLabel").mkdir(parents=True)
    lines = []
    for number, code in enumerate(codes, start=1):
        lines.append(f"train_{number:05d}.jpg {code}")
        faces.save(folder / f"Image/aligned/train_{number:05d}_aligned.jpg", "sad", (100, 100))
    (folder / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("place", "named", "codes"),
    [
        ("compound", "", range(1, 12)),
        ("compound", "compound", range(1, 12)),
        ("compound", "compound", (1, 2, 3)),
        ("basic", "", range(1, 12)),
        ("", "", [1, 2, 3, 9, 11]),
    ],
)
def test_the_compound_part_of_raf_db_is_never_read_as_the_basic_one(tmp_path, place, named, codes, skip):
    compound(tmp_path / "manual" / place, codes)
    message = refused("rafdb", tmp_path / "manual" / named, tmp_path / "data", skip_bad_rows=skip)
    assert "compound part" in message
    assert "skip_bad_rows" not in message


# ---------------------------------------------------------------- AffectNet


def yolo(folder, *, split_first=True):
    for split in ("train", "valid", "test"):
        for kind in ("images", "labels"):
            place = folder / (f"{split}/{kind}" if split_first else f"{kind}/{split}")
            place.mkdir(parents=True)
            if kind == "images":
                faces.save(place / "0.png", "sad")
            else:
                (place / "0.txt").write_text("3 0.5 0.5 1 1\n")
    (folder / "data.yaml").write_text("names: [Anger, Contempt, Disgust, Fear, Happy, Neutral, Sad]\n")


@pytest.mark.parametrize("split_first", [True, False])
@pytest.mark.parametrize("wrapper", ["", "YOLO_format"])
@pytest.mark.parametrize("name", ["affectnet7", "affectnet8", "rafdb", "fer2013", "folder"])
def test_a_yolo_copy_is_told(tmp_path, name, wrapper, split_first):
    yolo(tmp_path / "manual" / wrapper, split_first=split_first)
    message = refused(name, tmp_path / "manual", tmp_path / "data", skip_bad_rows=True)
    assert "are the layout of YOLO" in message
    assert "path,label,split" in message
    assert "space=own" not in message


@pytest.mark.parametrize("name", ["affectnet7", "affectnet8"])
@pytest.mark.parametrize("divided", [True, False])
def test_the_list_of_the_reduced_affectnet(tmp_path, name, divided):
    manual = tmp_path / "manual"
    lines = [",pth,label,relFCs"]
    words = {"angry": "anger"}
    for number, emotion in enumerate(faces.CLASSES):
        word = words.get(emotion, emotion)
        for split in ("Train", "Test"):
            path = f"{word}/image{split}{number}.jpg"
            faces.save(manual / (f"{split}/{path}" if divided else path), emotion, (96, 96))
            lines.append(f"{number},{path},{word},0.9")
    faces.save(manual / "anger/unlisted.jpg", "sad", (96, 96))
    (manual / "labels.csv").write_text("\n".join(lines) + "\n")
    pairs, notes = built(name, manual, tmp_path / "data")
    classes = sorted(faces.FER7 if name == "affectnet7" else faces.CLASSES)
    assert every(pairs) == (
        {"train": classes, "test": classes} if divided else {"train": sorted(classes * 2)}
    )
    assert right(pairs)
    assert any("not comparable with those of papers" in note for note in notes)
    assert any("1 images were left out, as labels.csv does not name them" in note for note in notes)
    assert any("2 contempt" in note for note in notes) == (name == "affectnet7")


@pytest.mark.parametrize("folders", ["012", "01234567"])
def test_numbered_folders_of_affectnet_are_not_guessed(tmp_path, folders):
    for split in ("train", "val"):
        for code in folders:
            faces.save(tmp_path / "manual" / split / code / "0.png", "sad")
    message = refused("affectnet7", tmp_path / "manual", tmp_path / "data")
    assert "a set's own codes or in the order of the alphabet" in message
    assert "--option=labels=0=neutral" in message


# ---------------------------------------------------------------- FERPlus

VOTE_ORDER = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
SPLIT_FOLDERS = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}


def ferplus_pictures(folder):
    for place in SPLIT_FOLDERS.values():
        lines = []
        for number, name in enumerate(faces.CLASSES):
            file = f"fer{number:07d}.png"
            faces.save(folder / place / file, name, mode="L")
            votes = [8 if other == name else 0 for other in VOTE_ORDER]
            lines.append(",".join([file, '"(0, 0, 48, 48)"', *map(str, votes), "1", "1"]))
        faces.save(folder / place / "fer0009999.png", "sad", mode="L")
        lines.append('fer0009999.png,"(0, 0, 48, 48)",5,5,0,0,0,0,0,0,0,0')
        (folder / place / "label.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("wrapper", ["", "data", "FERPlus-master/data"])
def test_the_pictures_of_ferplus_with_their_lists(tmp_path, wrapper):
    manual = tmp_path / "manual"
    ferplus_pictures(manual / wrapper)
    faces.save(manual / wrapper / "FER2013Test/fer1.png", "sad", mode="L")
    pairs, notes = built("ferplus", manual, tmp_path / "data")
    assert every(pairs) == dict.fromkeys(SPLIT_FOLDERS, sorted(faces.CLASSES))
    assert right(pairs)
    assert "left out (train / validation / test): 1 / 1 / 1 have no majority for a class" in notes
    assert "1 images were left out, as no label.csv names them: 1 in FER2013Test/" in notes


def test_a_bad_row_of_the_pictures_of_ferplus_is_told(tmp_path):
    ferplus_pictures(tmp_path / "manual")
    (tmp_path / "manual/FER2013Train/fer0000002.png").unlink()
    message = refused("ferplus", tmp_path / "manual", tmp_path / "data")
    assert "label.csv line 3: fer0000002.png: no such file" in message


# ---------------------------------------------------------------- layouts that no builder reads


def flat(folder):
    for split in ("train", "val", "test"):
        lines = []
        for number, name in enumerate(("happy", "anger", "fear")):
            faces.save(folder / split / f"{split}_{number}_{name}.jpg", "happy")
            lines.append(f"{split}_{number}_{name}.jpg,{number}")
        (folder / f"{split}_labels.csv").write_text("\n".join(lines) + "\n")


def kdef(folder):
    for person in ("AF01", "BM35"):
        for expression in ("AFFL", "ANS", "SAHR"):
            faces.save(folder / person / f"{person}{expression}.JPG", "sad")


def jaffe(folder):
    for name in ("KA.AN1.39", "KA.HA2.30"):
        faces.save(folder / "images/all" / f"{name}.tiff", "sad", (256, 256), "L")


LAYOUTS = {
    "ResEmoteNet": (
        flat,
        ("fer2013", "rafdb"),
        ("ResEmoteNet's scripts", "3 angry", "path,label,split"),
    ),
    "KDEF": (
        kdef,
        ("fer2013", "jaffe", "rafdb", "folder"),
        ("KDEF's file names", "AF fear", "subject"),
    ),
    "JAFFE": (
        jaffe,
        ("fer2013", "jaffe"),
        ("JAFFE's file names", "prepare jaffe", "images/all"),
    ),
    "FERPlus": (
        ferplus_pictures,
        ("fer2013", "folder"),
        ("layout of FERPlus", "prepare ferplus"),
    ),
}


@pytest.mark.parametrize(
    ("layout", "name"), [(layout, name) for layout, (_, names, _) in LAYOUTS.items() for name in names]
)
def test_a_layout_of_another_set_is_told_with_the_way_to_use_it(tmp_path, layout, name):
    write, _, told = LAYOUTS[layout]
    write(tmp_path / "manual")
    message = refused(name, tmp_path / "manual", tmp_path / "data", skip_bad_rows=True)
    for part in told:
        assert part in message
    assert str(known_layout(tmp_path / "manual", name)) in message


def test_known_names_in_folders_of_classes_are_the_users_own_set(tmp_path):
    manual = tmp_path / "manual"
    for split in ("train", "test"):
        faces.save(manual / split / "happy/KA.HA1.29.tiff", "happy", mode="L")
        faces.save(manual / split / "fear/AF01AFS.JPG", "fear")
    pairs, _ = built("folder", manual, tmp_path / "data")
    assert every(pairs) == {"train": ["fear", "happy"], "test": ["fear", "happy"]}


HEADS = {
    "fer2013": "emotion,pixels,Usage\n0,1 2,Training",
    "ferplus": "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF",
    "affectnet8": ",pth,label,relFCs\n0,anger/image0000006.jpg,surprise,0.87",
    "rafdb": "image,label\ntrain_00001_aligned.jpg,5",
}


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("name", HEADS)
def test_a_list_of_another_set_is_sent_to_its_builder(tmp_path, name, several):
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual/a.csv").write_text(HEADS[name] + "\n")
    if several:
        (tmp_path / "manual/b.csv").write_text(HEADS[name] + "\n")
    faces.save(tmp_path / "manual/train/0.png", "sad")
    message = refused("folder", tmp_path / "manual", tmp_path / "data")
    assert f"`prepare {name} --manual_dir={tmp_path / 'manual'}`" in message


def test_class_folders_are_sent_to_the_builder_of_folders(tmp_path):
    faces.save(tmp_path / "manual/train/happy/0.png", "happy")
    assert "`prepare folder/NAME` reads them" in refused("affectnet7", tmp_path / "manual", tmp_path / "data")


def test_what_is_nothing_known_is_listed_as_before(tmp_path):
    (tmp_path / "manual/holiday").mkdir(parents=True)
    (tmp_path / "manual/holiday/loop").symlink_to(tmp_path / "manual")
    (tmp_path / "manual/x.png").write_bytes(b"")
    assert known_layout(tmp_path / "manual", "folder") is None
    assert "found holiday/, x.png" in refused("affectnet7", tmp_path / "manual", tmp_path / "data")


# ---------------------------------------------------------------- images that no builder takes


@pytest.mark.parametrize(
    ("layout", "deeper"),
    [
        ("fer2013 folders", "train/sad/anna/x.png"),
        ("rafdb folders", "DATASET/train/5/anna/x.png"),
        ("rafdb list", "basic/Image/aligned/anna.jpg"),
        ("ckplus CK+48", "CK+48/anger/anna/x.png"),
        ("jaffe", "jaffe/more/x.png"),
        ("expw", "image/origin/anna.jpg"),
        ("affectnet7 old", "Manually_Annotated_Images/0/anna.jpg"),
        ("affectnet8 new", "test_set/images/anna.jpg"),
        ("ferg", "FERG_DB_256/aia/aia_anger/more/x.png"),
        ("taiwan folders", "Sad/more/x.png"),
        ("taiwan codes", "a/b/c/d/e/f00_ag_0.jpg"),
        ("rafdb folders", "beside/x.png"),
        ("ckplus CK+48", "beside/x.png"),
        ("jaffe", "beside/x.png"),
        ("ferg", "beside/x.png"),
    ],
    indirect=["layout"],
)
def test_images_in_other_places_are_counted(layout, deeper):
    copy = layout
    faces.save(copy.manual / deeper, "sad")
    copy.prepare()
    notes = copy.info().metadata["notes"]
    assert any(note.startswith("1 images were left out, as") for note in notes), notes


@pytest.fixture
def layout(request, tmp_path):
    from copies.copy import Copy

    return Copy(request.param, tmp_path)


def test_fer2013_one_level_deeper_is_told(tmp_path):
    for split in ("train", "test"):
        faces.save(tmp_path / "manual" / split / "sad/anna/x.png", "sad", mode="L")
    message = refused("fer2013", tmp_path / "manual", tmp_path / "data")
    assert "no image directly in its class folders; 2 images were left out" in message
    shutil.rmtree(Path(tmp_path, "manual"))
