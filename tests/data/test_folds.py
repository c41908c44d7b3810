import json
import subprocess
import sys

import grouped_set
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data import builders, load, loading
from ferjax.data.carving import carve, deal
from ferjax.data.folds import every_fold, held_out, parse
from ferjax.data.records import Records
from ferjax.data.split_choice import SPLITS, divide
from ferjax.data.split_index import Index, Key
from ferjax.errors import UserError

JAFFE = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")


def index_of(labels, groups=None, characters=None):
    """An index of labels and, by number, groups (−1 for none)."""
    keys = {}
    for key, codes in (("group", groups), ("character", characters)):
        if codes is not None:
            names = tuple(f"{key}{number:03d}" for number in range(max(codes, default=-1) + 1))
            keys[key] = Key(np.array(codes, np.int32), names)
    return Index(np.array(labels, np.int32), "0", keys)


@st.composite
def grouped_sets(draw, at_least=1):
    """Labels, and a group or none for each."""
    count = draw(st.integers(at_least, 80))
    labels = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(-1, 25), min_size=count, max_size=count))
    _, codes = np.unique([group for group in groups if group >= 0], return_inverse=True)
    numbers = iter(codes.tolist())
    return index_of(labels, [next(numbers) if group >= 0 else -1 for group in groups])


def parts_of(index, count):
    """The fold that each example is tested in, which must be one."""
    tested = np.stack([held_out("set", index, parse(fold)) for fold in every_fold("set", index, str(count))])
    assert (tested.sum(0) == 1).all()
    return tested.argmax(0)


@given(labels=st.lists(st.integers(0, 6), min_size=10, max_size=150), count=st.integers(2, 10))
@settings(deadline=None, max_examples=60)
def test_each_example_is_in_one_fold_and_each_class_in_equal_parts(labels, count):
    index = index_of(labels)
    parts = parts_of(index, count)
    assert np.ptp(np.bincount(parts, minlength=count)) <= 1
    for label in set(labels):
        assert np.ptp(np.bincount(parts[index.labels == label], minlength=count)) <= 1


@given(index=grouped_sets(at_least=2), count=st.integers(2, 6))
@settings(deadline=None, max_examples=60)
def test_no_group_is_in_two_folds_and_no_fold_is_empty(index, count):
    codes = index.groups.codes
    distinct = len(set(codes[codes >= 0])) + np.sum(codes < 0)
    if distinct < count:
        with pytest.raises(
            UserError, match=f"set has {distinct} groups of examples: they make no {count} folds"
        ):
            held_out("set", index, parse(f"1/{count}"))
        return
    parts = parts_of(index, count)
    assert set(parts) == set(range(count))
    for code in set(codes[codes >= 0]):
        assert len(set(parts[codes == code])) == 1


@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=100), count=st.integers(2, 6))
@settings(deadline=None, max_examples=40)
def test_groups_of_one_are_dealt_within_one_example(labels, count):
    parts = deal(np.array(labels), np.arange(len(labels)), (1 / count,) * count, "test")
    for label in set(labels):
        sizes = np.bincount(parts[np.array(labels) == label], minlength=count)
        assert np.ptp(sizes) <= 1, sizes


@given(index=grouped_sets(), fraction=st.floats(0.01, 0.9))
@settings(deadline=None, max_examples=60)
def test_carving_keeps_groups_whole(index, fraction):
    train, validation = carve(index.labels, fraction, index.groups)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(index.labels)))
    codes = index.groups.codes
    assert not set(codes[train]) & set(codes[validation]) - {-1}
    if len(set(codes[codes >= 0])) + np.sum(codes < 0) > 1:
        assert len(train)
        assert len(validation)


def test_groups_as_they_are_in_practice_keep_the_proportions():
    # 120 subjects of one to six frames, as in CK+: a tenth of each class, within a subject's frames.
    draws = np.random.default_rng(0)
    sizes = draws.integers(1, 7, 120)
    groups = np.repeat(np.arange(120), sizes)
    labels = draws.choice(7, len(groups), p=[0.15, 0.2, 0.08, 0.22, 0.1, 0.2, 0.05])
    index = index_of(labels, groups.tolist())
    parts = parts_of(index, 10)
    expected = np.bincount(labels) / 10
    for part in range(10):
        assert np.abs(np.bincount(labels[parts == part], minlength=7) - expected).max() < 3
    _, validation = carve(index.labels, 0.1, index.groups)
    assert np.abs(np.bincount(labels[validation], minlength=7) - expected).max() < 3


@given(index=grouped_sets(at_least=6), fraction=st.floats(0.05, 0.5), data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_division_is_whole_and_groups_stay_on_one_side(index, fraction, data):
    codes = index.groups.codes
    folds = every_fold("set", index, "subject")
    if len(folds) < 3:
        return
    chosen = data.draw(st.sampled_from(folds))
    parts = divide("set", index, chosen, fraction)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(codes)))
    held = [set(codes[indices]) - {-1} for indices in parts.values()]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    assert {index.groups.names[code] for code in held[2]} == {chosen.removeprefix("subject:")}


def test_the_folds_are_pinned():
    # Other folds here would not be those of past runs.
    index = index_of(np.arange(12) % 2, np.arange(12) // 2)
    assert parts_of(index_of(np.arange(12) % 2), 3).tolist() == [1, 0, 2, 1, 1, 0, 0, 1, 0, 2, 2, 2]
    assert parts_of(index, 3).tolist() == [2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1]
    assert carve(index.labels, 0.3, index.groups)[1].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "fold",
    ["", "0/5", "6/5", "1/1", "1/", "-1/5", "3/10 ", "ten", "subject:", "actor:KA", "dev:1/5", "train:6/5"],
)
def test_folds_that_are_none(fold):
    with pytest.raises(UserError, match=r"data\.fold"):
        parse(fold)


def test_holding_out_what_is_not_there():
    index = index_of([0, 1, 0], [0, 1, 2])
    with pytest.raises(UserError, match="set has no subject 'group9' among 3: group00"):
        held_out("set", index, parse("subject:group9"))
    with pytest.raises(UserError, match="cannot be divided by character: its examples hold group"):
        held_out("set", index, parse("character:aia"))
    with pytest.raises(UserError, match="cannot be divided by subject: its examples name no group"):
        held_out("set", index_of([0, 1]), parse("subject:KA"))
    with pytest.raises(UserError, match="holds out all of set"):
        held_out("set", index, parse("subject:group*"))
    with pytest.raises(UserError, match="neither a number nor one of subject"):
        every_fold("set", index, "actor")


# ---------------------------------------------------------------- of a built set, through load


def faces(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 12, 12, 1), dtype=np.uint8)


@pytest.fixture
def jaffe_like(tmp_path, monkeypatch):
    """Ten subjects with two images of every class, all in "train"; two characters a subject's half."""
    loading._logged.clear()
    rows = [
        ("train", i % 7, subject, f"{'aia' if i < 7 else 'ray'}", image)
        for number, subject in enumerate(JAFFE)
        for i, image in enumerate(faces(14, number))
    ]
    return grouped_set.build(monkeypatch, tmp_path, rows)


def held(source, key):
    return {source[i][key] for i in range(len(source))}


def test_leave_one_subject_out(jaffe_like, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    train, validation, test = (
        load("grouped", split, jaffe_like, fold="subject:KA") for split in ("train", "validation", "test")
    )
    assert caplog.messages == [
        "grouped is divided anew, its 1 stored splits put together, into fold subject:KA: 112 training, "
        "14 validation and 14 test examples"
    ]
    assert (len(train), len(validation), len(test)) == (112, 14, 14)
    assert held(test, "group") == {"KA"}
    assert len(held(validation, "group")) == 1
    assert held(train, "group") | held(validation, "group") == set(JAFFE) - {"KA"}
    assert len({train.digest(), validation.digest(), test.digest()}) == 3
    assert np.bincount(validation.labels).tolist() == [2] * 7


def test_hold_out_a_character_and_a_prefix(jaffe_like):
    assert held(load("grouped", "test", jaffe_like, fold="character:ray"), "character") == {"ray"}
    assert held(load("grouped", "train", jaffe_like, fold="character:ray"), "character") == {"aia"}
    assert held(load("grouped", "test", jaffe_like, fold="group:K*"), "group") == {"KA", "KL", "KM", "KR"}


def test_ten_folds_are_the_ten_subjects(jaffe_like):
    records = Records("grouped", builders.folder("grouped", jaffe_like), "train")
    tests = [
        held(load("grouped", "test", jaffe_like, fold=fold), "group")
        for fold in every_fold("grouped", records.index, "10")
    ]
    assert sorted(tests, key=min) == [{subject} for subject in JAFFE]


def test_carved_validation_keeps_subjects_whole_and_says_so(jaffe_like, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    train, validation = (
        load("grouped", split, jaffe_like, val_fraction=0.2) for split in ("train", "validation")
    )
    (note,) = caplog.messages
    assert "28 of its 140 training examples" in note
    assert "no group on both sides" in note
    assert not held(train, "group") & held(validation, "group")


def test_a_fold_puts_the_official_splits_together(tmp_path, monkeypatch):
    rows = [(split, i % 7, "", "", image) for split in ("train", "test") for i, image in enumerate(faces(21))]
    data = grouped_set.build(monkeypatch, tmp_path, rows)
    sources = [load("grouped", split, data, fold="2/3") for split in ("train", "validation", "test")]
    assert sum(map(len, sources)) == 42
    assert len(sources[2]) == 14
    stream = load("grouped", "test", data, fold="2/3", cache="stream")
    np.testing.assert_array_equal(stream.take(range(14))["image"], sources[2].take(range(14))["image"])
    with pytest.raises(UserError, match="a fold of grouped has no split 'dev'"):
        load("grouped", "dev", data, fold="2/3")


def test_a_fold_of_one_stored_split_leaves_the_others_aside(tmp_path, monkeypatch, caplog):
    images = {"train": faces(21, 1), "test": faces(14, 2)}
    rows = [(split, i % 7, "", "", image) for split in images for i, image in enumerate(images[split])]
    data = grouped_set.build(monkeypatch, tmp_path, rows)
    caplog.set_level("INFO", logger=loading.__name__)
    tested = []
    for number in (1, 2, 3):
        parts = [load("grouped", split, data, fold=f"train:{number}/3") for split in SPLITS]
        seen = [image.tobytes() for part in parts for image in part.take(range(len(part)))["image"]]
        assert sorted(seen) == sorted(image.tobytes() for image in images["train"])
        tested += [image.tobytes() for image in parts[2].take(range(len(parts[2])))["image"]]
    assert sorted(tested) == sorted(image.tobytes() for image in images["train"])
    assert "grouped is divided anew, its stored split train alone, into fold train:1/3: " in caplog.text
    with pytest.raises(UserError, match="grouped has no split 'validation'; it has train, test"):
        load("grouped", "train", data, fold="validation:1/3")


def test_the_division_is_kept_beside_the_set(jaffe_like, monkeypatch):
    before = load("grouped", "train", jaffe_like, fold="subject:KA").digest()
    (path,) = (builders.folder("grouped", jaffe_like) / "divisions").iterdir()
    assert path.name.startswith("subject_KA-")
    with np.load(path) as kept:
        assert [len(kept[split]) for split in ("train", "validation", "test")] == [112, 14, 14]
        assert (str(kept["of"]), str(kept["fold"]), float(kept["val_fraction"])) == (
            "train",
            "subject:KA",
            0.1,
        )
    with monkeypatch.context() as patch:
        patch.setattr("ferjax.data.split_choice.divide", None)  # what is kept is not worked out again
        assert load("grouped", "train", jaffe_like, fold="subject:KA").digest() == before
    for spoilt in (b"", path.read_bytes()[:200]):
        path.write_bytes(spoilt)
        assert load("grouped", "train", jaffe_like, fold="subject:KA").digest() == before


def test_a_folder_that_cannot_be_written_changes_nothing(jaffe_like, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ferjax.data.array_files.open", refuse, raising=False)
        unkept = load("grouped", "train", jaffe_like, fold="3/5").digest()
    divisions = builders.folder("grouped", jaffe_like) / "divisions"
    assert not list(divisions.iterdir())
    assert load("grouped", "train", jaffe_like, fold="3/5").digest() == unkept
    assert len(list(divisions.iterdir())) == 1


def refuse(path, mode):
    raise PermissionError(13, "Permission denied", path)


def test_another_process_divides_alike():
    code = """
        import json
        import numpy as np
        from ferjax.data.split_choice import divide
        from ferjax.data.split_index import Index, Key
        rows = np.arange(500)
        groups = Key((rows * rows % 83).astype(np.int32), tuple(map(str, range(83))))
        index = Index((rows * 7 % 11 % 7).astype(np.int32), "0", {"group": groups})
        parts = divide("set", index, "2/5", 0.15)
        print(json.dumps({split: indices.tolist() for split, indices in parts.items()}))
    """
    runs = [
        subprocess.run(
            [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "NPY_DISABLE_CPU_FEATURES": "AVX2 AVX512F" if seed == "2" else ""},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(json.loads(runs[0])["test"]) in range(95, 106)


# ---------------------------------------------------------------- leaks


@pytest.fixture
def leaking(tmp_path, monkeypatch):
    """30 training images, of which 3 stand in validation, 4 in test and one of these in both."""
    loading._logged.clear()
    train, other = faces(30, 1), faces(20, 2)
    validation = np.concatenate([other[:6], train[[0, 1, 2]]])
    test = np.concatenate([other[6:14], train[[2, 3, 4, 5]]])
    content = {"train": train, "validation": validation, "test": test}
    rows = [
        (split, i % 7, "", "", image) for split, images in content.items() for i, image in enumerate(images)
    ]
    return grouped_set.build(monkeypatch, tmp_path, rows)


def test_leaks_are_dropped_from_train_and_counted_once(leaking, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    train = load("grouped", "train", leaking, drop_leaks=True)
    load("grouped", "train", leaking, drop_leaks=True)
    assert caplog.messages == [
        "6 of the 30 training examples of grouped are left out because their pixels also stand in another "
        "split (3 also in validation, 4 also in test)"
    ]
    np.testing.assert_array_equal(train.take(range(24))["image"], faces(30, 1)[6:])
    assert len(load("grouped", "validation", leaking, drop_leaks=True)) == 9
    assert len(load("grouped", "train", leaking)) == 30


def test_leaks_between_folds_are_dropped(leaking):
    sources = {
        split: load("grouped", split, leaking, fold="1/4", drop_leaks=True, val_fraction=0.2)
        for split in ("train", "validation", "test")
    }
    pixels = {
        split: {image.tobytes() for image in source.take(range(len(source)))["image"]}
        for split, source in sources.items()
    }
    assert not pixels["train"] & (pixels["validation"] | pixels["test"])
    assert len(sources["train"]) < len(load("grouped", "train", leaking, fold="1/4", val_fraction=0.2))


def test_copies_in_splits_that_a_fold_leaves_aside_are_dropped(leaking, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    options = {"fold": "train:1/3", "val_fraction": 0.2, "drop_leaks": True, "drop_validation_leaks": True}
    kept = sum(len(load("grouped", split, leaking, **options)) for split in ("train", "validation"))
    tested = load("grouped", "test", leaking, **options)
    copies = {image.tobytes() for image in faces(30, 1)[:6]}
    inside = sum(image.tobytes() in copies for image in tested.take(range(len(tested)))["image"])
    assert kept == 20 - (6 - inside)  # 20 of 30 are not in the fold, 6 of 30 also in other splits
    assert "also in the stored test" in caplog.text
    assert "also in the stored validation" in caplog.text


def test_without_leaks_nothing_is_dropped(jaffe_like, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    assert len(load("grouped", "train", jaffe_like, drop_leaks=True, val_fraction=0)) == 140
    assert "0 of the 140 training examples" in caplog.text
