"""Pictures, videos and failures through the whole path, in a process and as a command."""

import csv
import io
import json

import jax
import numpy as np
import pytest
import tiny
from PIL import Image
from untrained import LABELS

from ferjax.deploy import output_rows, video
from ferjax.deploy.annotate import annotate
from ferjax.deploy.face import crop
from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.inference import classifier, trained
from ferjax.inference.inputs import expand
from ferjax.inference.open_run import open_network

RATE = 10.0


@pytest.fixture(scope="module")
def asked(colour_run):
    return classifier.load(colour_run)


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    """One face, two faces, none, a broken picture, a text and a video of a face that moves."""
    folder = tmp_path_factory.mktemp("mixed") / "in"
    folder.mkdir()
    small = Image.fromarray(astronaut[:256, 96:352])
    small.save(folder / "one.jpg", quality=95)
    two = Image.new("RGB", (512, 256))
    two.paste(small, (0, 0))
    two.paste(small.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (256, 0))
    two.save(folder / "two.png")
    Image.new("RGB", (90, 60), "grey").save(folder / "none.png")
    (folder / "broken.png").write_bytes((folder / "two.png").read_bytes()[:5000])
    (folder / "fake.png").write_text("this is text")
    (folder / "notes.txt").write_text("not a picture")
    writer = video.Writer(folder / "clip.mp4", RATE)
    for frame in range(6):
        writer.write(astronaut[4 * frame : 256 + 4 * frame, 96:352])
    writer.close()
    return folder


def outcomes(asked, detector, *names, **options):
    return list(predict(expand(map(str, names)), asked, Options(detector, **options)))


def all_rows(found):
    return [row for outcome in found for row in outcome.rows]


def test_a_mixed_folder_is_told_file_by_file(asked, detector, folder):
    found = all_rows(outcomes(asked, detector, folder))
    told = [(row.source.rpartition("/")[2], row.status) for row in found]
    assert told[:2] == [("broken.png", "failed"), ("clip.mp4", "ok")]
    assert told[7:] == [
        ("fake.png", "failed"), ("none.png", "no face"), ("notes.txt", "skipped"), ("one.jpg", "ok"),
        ("two.png", "ok"), ("two.png", "ok"),
    ]  # fmt: skip
    assert [row.face for row in found if row.source.endswith("two.png")] == [1, 2]
    for row in found:
        assert bool(row.reason) == (row.status in (output_rows.FAILED, output_rows.SKIPPED))


def test_probabilities_are_the_models_own(asked, detector, colour_run, folder):
    network = open_network(colour_run)
    step = trained.predict_step(network)
    image = np.asarray(Image.open(folder / "one.jpg"))
    (face,) = detector.find(image)
    seen = asked.preprocess([crop(image, face, asked.margin)])
    (row,) = all_rows(outcomes(asked, detector, folder / "one.jpg"))
    expected = np.exp(jax.jit(step)(network.variables, seen))[0]
    np.testing.assert_allclose(row.probabilities, expected, atol=1e-6)
    assert row.box == face.box


def test_a_cropped_picture_is_one_face_as_a_whole(asked, folder):
    image = np.asarray(Image.open(folder / "none.png"))
    (row,) = all_rows(outcomes(asked, None, folder / "none.png"))
    assert (row.face, row.box, row.score) == (1, None, None)
    expected = asked.probabilities(asked.preprocess([image]))[0]
    np.testing.assert_allclose(row.probabilities, expected, atol=1e-6)


def test_many_pictures_keep_their_order(asked, tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 16, 16, 3), np.uint8)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{index:02}.png")
    found = all_rows(outcomes(asked, None, tmp_path))
    assert [row.source[-6:] for row in found] == [f"{index:02}.png" for index in range(40)]
    expected = asked.probabilities(pictures)
    np.testing.assert_allclose([row.probabilities for row in found], expected, atol=1e-6)


def test_a_video_is_followed_and_smoothed(asked, detector, folder):
    plain = all_rows(outcomes(asked, detector, folder / "clip.mp4"))
    smooth = all_rows(outcomes(asked, detector, folder / "clip.mp4", smooth=0.2))
    assert [row.face for row in plain] == [1] * 6
    np.testing.assert_allclose([row.time for row in plain], np.arange(6) / RATE, atol=0.01)
    for now, row in enumerate(smooth):
        weights = np.exp([(earlier.time - row.time) / 0.2 for earlier in plain[: now + 1]])
        said = np.stack([earlier.probabilities for earlier in plain[: now + 1]])
        expected = (weights[:, None] * said).sum(0) / weights.sum()
        np.testing.assert_allclose(row.probabilities, expected, atol=1e-5)


def test_a_broken_video_and_no_camera_stop_nothing(asked, folder, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(bytes(999))
    found = all_rows(outcomes(asked, None, broken, "webcam:98", folder / "none.png"))
    assert [row.status for row in found] == ["failed", "failed", "ok"]
    assert "no camera 98" in found[1].reason


def test_pictures_are_kept_only_if_asked(asked, folder):
    (without,) = outcomes(asked, None, folder / "none.png")
    (kept,) = outcomes(asked, None, folder / "none.png", keep=True)
    assert without.image is None
    assert kept.image.shape == (60, 90, 3)


def test_boxes_are_drawn_around_faces_and_labels_stay_inside(astronaut):
    chances = np.float32([0.9, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01])
    row = output_rows.Row(
        "a", output_rows.OK, face=1, box=(172, 66, 276, 190), score=1.0, probabilities=chances
    )
    shown = annotate(astronaut, [row], LABELS, 3)
    changed = (shown != astronaut).any(-1)
    assert changed[66:190, 172].mean() > 0.8  # the left side of the box
    assert not changed[80:180, 190:260].any()  # nothing on the face
    assert not changed[:60].any()
    for box in ((0, 300, 100, 511), (400, -20, 600, 500)):
        assert annotate(astronaut, [row._replace(box=box)], LABELS, 0).shape == astronaut.shape
    tiny_picture = np.zeros((8, 5, 3), np.uint8)
    assert annotate(tiny_picture, [row._replace(box=None)], LABELS, 0).shape == (8, 5, 3)
    np.testing.assert_array_equal(
        annotate(astronaut, [output_rows.Row("a", output_rows.NO_FACE)], LABELS), astronaut
    )


def test_an_unsure_face_is_drawn_otherwise():
    grey = np.full((200, 200, 3), 120, np.uint8)
    row = output_rows.Row(
        "a", output_rows.OK, box=(20, 20, 120, 120), probabilities=np.float32([0.4, 0.3, 0.3])
    )
    sure, unsure = (annotate(grey, [row], ("sad", "happy", "fear"), 1, below) for below in (0.3, 0.5))
    assert (sure != annotate(grey, [row], ("sad", "happy", "fear"), 1)).sum() == 0
    unlike = annotate(grey, [row._replace(unlike=True)], ("sad", "happy", "fear"), 1, 0.3)
    assert (unlike != unsure).any()  # the word
    assert (unlike[20:120, 20] == unsure[20:120, 20]).all()
    assert (sure[20:120, 20] != unsure[20:120, 20]).any()  # the colour of the box
    assert np.ptp(unsure[70, 20]) < np.ptp(sure[70, 20])  # grey


@pytest.fixture(scope="module")
def done(shell, colour_run, folder, tmp_path_factory):
    """The command on the whole folder, with everything it can write."""
    out = tmp_path_factory.mktemp("out")
    command = shell(
        "predict", folder, folder / "nowhere.jpg", f"--workdir={colour_run}", "--format=jsonl",
        f"--out={out / 'rows.jsonl'}", f"--annotate={out / 'drawn'}", "--smooth=0.5", "--top_k=2",
    )  # fmt: skip
    return command, out


@pytest.mark.slow
def test_the_command_tells_all_and_fails_for_some(done):
    command, out = done
    assert command.returncode == 1, command.stderr
    found = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert [row["status"] for row in found].count("failed") == 3
    assert found[-1]["reason"] == "does not exist"
    assert all(len(row["probabilities"]) == 2 for row in found if row["status"] == "ok")
    assert "9 faces, 1 without a face, 3 failed, 1 skipped" in command.stderr
    assert "Traceback" not in command.stderr


@pytest.mark.slow
def test_the_command_leaves_annotated_files(done):
    _, out = done
    written = {path.name for path in (out / "drawn").iterdir()}
    assert written == {"one.jpg", "two.jpg", "none.jpg", "clip.mp4", "clip-timeline.png"}
    frames = list(video.file_frames(out / "drawn" / "clip.mp4"))
    assert len(frames) == 6
    assert Image.open(out / "drawn" / "clip-timeline.png").width > 900


@pytest.mark.slow
def test_the_command_ends_well_where_all_went_well(shell, colour_run, folder):
    command = shell(
        "predict", folder / "one.jpg", folder / "none.png", f"--workdir={colour_run}", "--format=csv"
    )
    assert command.returncode == 0, command.stderr
    one, none = csv.DictReader(io.StringIO(command.stdout))
    assert sum(float(one[f"p_{name}"]) for name in LABELS) == pytest.approx(1, abs=1e-4)
    assert none["status"] == "no face"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name pictures, folders, videos or webcam"),
        (["a.jpg", "--workdir=nowhere"], "nowhere does not exist"),
        (["a.jpg", "--workdir=a", "--bundle=b"], "name one network"),
        (["a.jpg", "--workdir=a", "--format=xml"], "format"),
        (["a.jpg", "--workdir=a", "--crops=two"], "crops"),
    ],
)
def test_wrong_commands_are_one_line(shell, arguments, message):
    assert message in tiny.only_line(shell("predict", *arguments))


@pytest.mark.slow
def test_other_crops_than_the_networks_own(shell, colour_run, folder, tmp_path):
    mirrored = tmp_path / "mirrored.png"
    with Image.open(folder / "one.jpg") as one:
        one.save(tmp_path / "one.png")
        one.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    pictures = tmp_path / "one.png", mirrored, "--cropped", "--format=csv"
    told = {}
    for crops in ("none", "flip"):
        command = shell("predict", *pictures, f"--crops={crops}", "--engine=xla")
        rows = csv.DictReader(io.StringIO(command.stdout))
        told[crops] = np.array([[float(row[f"p_{name}"]) for name in LABELS] for row in rows])
    np.testing.assert_allclose(*told["flip"], atol=1e-5)
    assert np.abs(told["none"][0] - told["none"][1]).max() > 1e-3
    line = tiny.only_line(shell("predict", *pictures, "--crops=five", f"--workdir={colour_run}"))
    assert "eval.crops=five cuts crops: set data.source_size above data.image_size" in line


@pytest.mark.slow
def test_an_input_is_never_overwritten(shell, colour_run, folder):
    path = folder / "one.jpg"
    before = path.read_bytes()
    line = tiny.only_line(shell("predict", path, "--cropped", f"--workdir={colour_run}", f"--out={path}"))
    assert "is one of the inputs" in line
    assert path.read_bytes() == before
