"""Attributes of people and pictures: what builders store, and what sources tell of it."""

import numpy as np
import pytest

from ferjax import data
from ferjax.data import builders
from ferjax.data.attributes import asked, decode, encode
from ferjax.data.memory_source import MemorySource
from ferjax.data.records import Records
from ferjax.data.split_index import Key, from_arrays, to_arrays
from ferjax.errors import UserError

RAF_MANUAL = "basic/Annotation/manual"
LANDMARKS = "69.1 110.2\n138.3\t107.8\n96.1 150.0\n75.0 171.9\n140.7 169.6\n"


def of(layout):
    return pytest.mark.parametrize("copy", [layout], indirect=True)


def _values(copy, split="train", **options):
    source = data.load(copy.name, split, copy.data, image_size=8, channels=3, **options)
    return {
        name: [key.names[code] if code >= 0 else None for code in key.codes]
        for name, key in source.attributes.items()
    }


def _annotate(copy):
    """Annotates most images; of the training images the last has none, and the one before is damaged."""
    place = copy.manual / RAF_MANUAL
    place.mkdir(parents=True)
    for split, count in (("train", 20), ("test", 7)):
        for number in range(1, count + 1):
            codes = f"{number % 3}\r\n{number % 2}\r\n{number % 5}\r\n"
            (place / f"{split}_{number:05d}_manu_attri.txt").write_text(LANDMARKS + codes)
    (place / "train_00020_manu_attri.txt").write_text(LANDMARKS + "9\n0\n0\n")


@of("rafdb list")
def test_rafdb_has_gender_race_and_age(copy):
    _annotate(copy)
    copy.prepare()
    found = _values(copy, val_fraction=0.0)
    assert found["gender"][:4] == ["female", "unsure", "male", "female"]
    assert found["race"][:2] == ["African-American", "Caucasian"]
    assert found["age"][:5] == ["4-19", "20-39", "40-69", "70+", "0-3"]
    assert found["gender"][-2:] == found["age"][-2:] == [None, None]
    notes = copy.info().metadata["notes"]
    assert "gender, race and age of 26 images are those of manual/" in notes
    assert "1 images have no manual annotation: their attributes are unknown" in notes
    assert any(note.startswith("1 manual annotations have other lines") for note in notes)
    # A carved split has its own part of them, and they come from the index alone the second time.
    train, validation = _values(copy, val_fraction=0.3), _values(copy, "validation", val_fraction=0.3)
    assert sorted(map(str, train["age"] + validation["age"])) == sorted(map(str, found["age"]))


@of("rafdb folders")
def test_annotations_of_a_copy_in_folders_may_be_packed(copy):
    (copy.manual / "Annotation").mkdir()
    (copy.manual / "Annotation" / "manual.zip").write_bytes(b"")
    copy.prepare()
    assert _values(copy) == {}
    assert any(
        "manual.zip, the manual annotations, is not unpacked" in n for n in copy.info().metadata["notes"]
    )


def _with_column(copy, name, values):
    """Adds a column to the list of the layout `folder csv`."""
    (path,) = copy.manual.glob("*.csv")
    first, *lines = path.read_text(encoding="utf-8-sig").splitlines()
    lines = [f"{line},{values[place % len(values)]}" for place, line in enumerate(lines)]
    path.write_text("\n".join([f"{first},{name}", *lines]) + "\n")


@of("folder csv")
def test_columns_of_a_list_that_are_asked_for(copy):
    _with_column(copy, "Gender", ["f", "m", "", " f "])
    _with_column(copy, "light", ["dim"])
    copy.prepare(options={"attributes": "gender"})
    everything = _values(copy, "train", val_fraction=0.0)["gender"]
    assert set(everything) == {"f", "m", None}
    assert "columns of labels.csv that are not used: 'light'" in " ".join(copy.info().metadata["notes"])


@of("folder csv")
def test_columns_that_are_none_are_refused(copy):
    told = copy.refused(
        "option attributes names 'gender', which is no column", options={"attributes": "gender"}
    )
    assert "it has label, path" in told


@of("folder csv")
def test_a_measure_is_no_group(copy, monkeypatch):
    monkeypatch.setattr("ferjax.data.attributes.MOST_VALUES", 3)
    _with_column(copy, "years", ["1", "2", "3", "4"])
    copy.refused("the column 'years' of .* has more than 3 different values", options={"attributes": "years"})


@pytest.mark.parametrize("copy", ["folder classes", "affectnet7 new"], indirect=True)
def test_a_copy_without_a_list_has_no_columns(copy):
    copy.refused("option attributes names columns of a", options={"attributes": "gender"})


@of("affectnet7 old")
def test_columns_of_affectnets_lists(copy):
    copy.prepare(options={"attributes": "facial_landmarks"})
    assert "facial_landmarks" in _values(copy)


def test_values_are_one_short_line():
    assert decode(encode({"a": " two\nlines\x07 ", "b": "", "c": "x" * 99})) == {
        "a": "two lines",
        "c": "x" * 60,
    }
    with pytest.raises(ValueError, match="no texts"):
        decode('{"a": 1}')


@of("rafdb list")
def test_indexes_join_and_survive_a_file(copy):
    _annotate(copy)
    copy.prepare()
    folder = builders.folder("rafdb", copy.data)
    both = Records("rafdb", folder, "train+test").index
    assert len(both.attributes["race"].codes) == 28
    one = Records("rafdb", folder, "test").index
    arrays = to_arrays(one)
    again = from_arrays(arrays, 7, 7)
    assert again is not None
    assert again.attributes["age"].names == one.attributes["age"].names
    earlier = {name: array for name, array in arrays.items() if not name.startswith("attribute")}
    assert from_arrays(earlier, 7, 7).attributes == {}
    edited = {**arrays, "attribute0_codes": arrays["attribute0_codes"] + np.int32(99)}
    assert from_arrays(edited, 7, 7) is None


def test_a_set_without_attributes():
    source = MemorySource(
        np.zeros((2, 4, 4, 1), np.uint8), [0, 1], label_names="ab", name="mine", split="test"
    )
    assert source.attributes == {}
    key = Key(np.array([0, -1], np.int32), ("yes",))
    held = MemorySource(
        np.zeros((2, 4, 4, 1), np.uint8), [0, 1], label_names="ab", name="mine", split="test",
        attributes={"glasses": key},
    )  # fmt: skip
    assert held.attributes["glasses"] is key


def test_option_error_is_short():
    with pytest.raises(UserError) as caught:
        asked("x", [f"column{i}" for i in range(200)], "list.csv")
    assert len(str(caught.value)) <= 400
