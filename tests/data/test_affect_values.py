"""Valence and arousal are read, stored and given in batches; what is unknown is NaN."""

import contextlib
import io
import pickle

import affect_set
import copies.affectnet
import numpy as np
import pytest

from ferjax.commands.prepare import prepare
from ferjax.data import builders, load
from ferjax.data.affect import reader
from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.builders.affect_values import affect_value
from ferjax.data.label_spaces import BridgedSource
from ferjax.data.records import Records, describe
from ferjax.data.toons.affect import PLACES, affect_of
from ferjax.data.toons.table import STYLES
from ferjax.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return affect_set.build(tmp_path_factory.mktemp("affect"))


def opened(data, split="train", **options):
    return load("folder/affect", split, data, image_size=16, affect=True, **options)


def test_a_users_columns_are_stored(data):
    source = opened(data)
    assert source.affect.shape == (112, 2)
    assert source.affect.dtype == np.float32
    lines = (data.parent / "faces" / "faces.csv").read_text().splitlines()[1:]
    for row, line in zip(source.affect, lines, strict=False):
        for value, text in zip(row, line.split(",")[3:], strict=True):
            assert np.isnan(value) if text in ("", "-2") else value == np.float32(text)
    notes = describe("folder/affect", builders.folder("folder/affect", data)).metadata["notes"]
    assert not [note for note in notes if "not used" in note]


def test_every_source_gives_them_with_the_batch(data):
    at = [3, 5, 3]
    expected = opened(data).affect[at]
    for cache in ("memory", "stream", "disk"):
        source = opened(data, cache=cache)
        np.testing.assert_array_equal(source.take(at)["affect"], expected)
        if cache != "memory":
            np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).take(at)["affect"], expected)
    part = opened(data, "test", cache="stream", fold="1/4")
    np.testing.assert_array_equal(part.affect, part.stored[0].affect[part.stored[1]])
    # A network that lacks a class leaves its examples out, and their values.
    whole = opened(data, cache="stream")
    bridged = BridgedSource(whole, whole.label_names[1:], np.array([-1, 0, 1, 2, 3, 4, 5]))
    np.testing.assert_array_equal(bridged.take([0, 1])["affect"], bridged.affect[:2])
    np.testing.assert_array_equal(bridged.affect, whole.affect[whole.labels > 0])
    assert "affect" not in load("folder/affect", "train", data, image_size=16).take(at)


def test_an_index_of_an_earlier_version_is_completed(data):
    folder = builders.folder("folder/affect", data)
    path = folder / "validation.index.npz"
    before = Records("folder/affect", folder, "validation").affect
    stored = read_arrays(path)
    write_arrays(path, **{name: value for name, value in stored.items() if name != "affect"})
    np.testing.assert_array_equal(Records("folder/affect", folder, "validation").affect, before)
    np.testing.assert_array_equal(read_arrays(path)["affect"], before)
    # A file that somebody has cut is not believed.
    write_arrays(path, **{**stored, "affect": before[:3]})
    np.testing.assert_array_equal(Records("folder/affect", folder, "validation").affect, before)


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("-1", -1), ("", None), ("-2", None), ("nan", None)]
)
def test_values_are_read_and_minus_two_is_unknown(text, value):
    assert np.isnan(affect_value(text)) if value is None else affect_value(text) == value


@pytest.mark.parametrize("text", ["1.5", "6", "-2.1", "high", "inf"])
def test_other_values_are_refused(text):
    with pytest.raises(ValueError, match="no number of -1"):
        affect_value(text)


def test_a_users_scale_that_is_another_is_refused_with_its_line(tmp_path):
    affect_set.write(tmp_path / "mine")
    path = tmp_path / "mine" / "faces.csv"
    lines = path.read_text().splitlines()
    lines[2] = "1.png,disgust,train,7,5"
    path.write_text("\n".join(lines))
    with (
        pytest.raises(UserError, match="line 3: valence or arousal '7' is no number of -1 … 1") as caught,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        prepare("folder", str(tmp_path / "mine"), str(tmp_path / "data"))
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("layout", ["new", "old"])
def test_affectnet(layout, tmp_path):
    (tmp_path / "mine").mkdir()
    copies.affectnet.write_new(tmp_path / "mine") if layout == "new" else _write_old(tmp_path / "mine")
    with contextlib.redirect_stdout(io.StringIO()):
        prepare("affectnet7", str(tmp_path / "mine"), str(tmp_path / "data"))
    folder = builders.folder("affectnet7", tmp_path / "data")
    values = Records("affectnet7", folder, "train").affect
    notes = " ".join(describe("affectnet7", folder).metadata["notes"])
    if layout == "new":
        np.testing.assert_array_equal(values, np.float32([[-0.1, 0.2]] * len(values)))
        assert "can be read" not in notes
    else:
        assert np.isnan(values[0]).all()  # −2
        assert np.isnan(values[1]).all()
        np.testing.assert_array_equal(values[2:], np.float32([[0.1, -0.2]] * (len(values) - 2)))
        assert "1 faces have no valence and arousal that can be read" in notes
        assert "line 3 ('12' is no number of -1 … 1" in notes


def _write_old(folder):
    copies.affectnet.write_old(folder)
    path = folder / "Manually_Annotated_file_lists" / "training.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("0.1,-0.2", "-2,-2")
    lines[2] = lines[2].replace("0.1,-0.2", "12,-0.2")
    path.write_text("\n".join(lines))


def test_the_toons_are_computed_from_what_was_drawn():
    for style in STYLES.values():
        for label, recipes in style.recipes.items():
            for recipe in recipes:
                drawn = [f'{{"{part}": "{name}"}}' for part, names in recipe.items() for name in names]
                pairs = {affect_of(label, parts) for parts in drawn}
                assert all(-1 <= value <= 1 for pair in pairs for value in pair)
                # A class stays on its side of the circle.
                centre = PLACES[label][0]
                assert all(pair[0] * centre > 0 for pair in pairs if abs(centre) > 0.3)
    assert affect_of("sad", '{"eyes": "cry", "mouth": "sad"}') != affect_of("sad", '{"eyes": "closed"}')
    features = dict.fromkeys(("clean_label", "parts"))
    assert reader("toons/avataaars", features, ("angry", "happy"))({"clean_label": 1, "parts": b"{}"}) == (
        0.7,
        0.3,
    )
    assert reader("mine", features, ("angry", "happy")) is None
