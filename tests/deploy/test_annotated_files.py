"""Annotated copies go where they replace nothing but earlier ones."""

import numpy as np
import pytest
from PIL import Image

from ferjax.deploy import output_rows, timeline
from ferjax.deploy.annotated_files import AnnotatedFiles
from ferjax.deploy.predict import Outcome
from ferjax.errors import UserError
from ferjax.inference.inputs import expand

LABELS = ("sad", "happy")


def annotated(folder, *names):
    return AnnotatedFiles(folder, LABELS, 1, 0.0, list(expand(map(str, names))))


def outcome(name, image):
    (item,) = expand([str(name)])
    row = output_rows.Row(item.name, output_rows.OK, face=1, probabilities=np.float32([0.2, 0.8]))
    return Outcome(item, [row], image)


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jpg"
    Image.new("RGB", (40, 30)).save(path)
    return path


def test_an_input_is_refused_as_output_before_anything_is_written(picture):
    before = picture.read_bytes()
    for folder in (picture.parent, picture.parent / "." / ".." / "in"):
        with pytest.raises(UserError, match=r"would overwrite the input .*a\.jpg; name another folder"):
            annotated(folder, picture.parent)
    assert picture.read_bytes() == before
    assert list(picture.parent.iterdir()) == [picture]


@pytest.mark.parametrize("name", ["a.jpg", "clip.mp4", "clip-timeline.png"])
def test_other_files_are_never_replaced(picture, tmp_path, name):
    (picture.parent / "clip.mp4").write_bytes(b"video")
    (tmp_path / "out").mkdir()
    foreign = tmp_path / "out" / name
    foreign.write_bytes(picture.read_bytes())
    with pytest.raises(UserError, match=f"{name} was not written by ferjax predict"):
        annotated(tmp_path / "out", picture.parent)
    assert foreign.read_bytes() == picture.read_bytes()


def test_earlier_copies_are_replaced_and_equal_names_get_numbers(picture, tmp_path):
    other = tmp_path / "in2" / "a.png"
    other.parent.mkdir()
    other.write_bytes(picture.read_bytes())
    for _ in range(2):
        files = annotated(tmp_path / "out", picture.parent, other.parent)
        files.add(outcome(picture, np.zeros((30, 40, 3), np.uint8)))
        files.add(outcome(other, np.zeros((30, 40, 3), np.uint8)))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-2.jpg", "a.jpg"]


def test_a_picture_that_is_too_long_for_a_jpeg_is_made_shorter(picture, tmp_path):
    files = annotated(tmp_path / "out", picture)
    files.add(outcome(picture, np.zeros((20, 70_000, 3), np.uint8)))
    assert Image.open(tmp_path / "out" / "a.jpg").size == (65_500, 19)


def test_a_folder_that_cannot_be_made_is_told(picture):
    with pytest.raises(UserError, match=r"cannot write to .*a\.jpg/out"):
        annotated(picture / "out", picture)


def test_a_line_is_broken_where_a_face_was_gone():
    track = timeline.Track([0.0, 0.1, 0.2, 5.0, 5.1], [np.float32([0.25, 0.75])] * 5)
    times, chances = timeline._broken(track)
    np.testing.assert_array_equal(times, [0.0, 0.1, 0.2, np.nan, 5.0, 5.1])
    np.testing.assert_array_equal(np.isnan(chances).any(-1), np.isnan(times))
    rare = timeline.Track([0.0, 5.0, 10.0], [np.float32([0.25, 0.75])] * 3)
    np.testing.assert_array_equal(timeline._broken(rare)[0], rare.times)
