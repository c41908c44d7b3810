"""No command writes over what it did not write."""

import io
import json
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.deploy import output_rows, video
from ferjax.errors import UserError
from ferjax.platform import outputs
from ferjax.report.document import document


def encoded(suffix):
    """A small file of a kind, as nobody but this test wrote it."""
    content = io.BytesIO()
    if suffix in (".png", ".jpg"):
        Image.new("RGB", (5, 4), "red").save(content, "PNG" if suffix == ".png" else "JPEG")
    elif suffix == ".npz":
        np.savez_compressed(content, a=np.arange(3))
    else:
        content.write(b"<svg></svg>" if suffix == ".svg" else b"# notes\n")
    return content.getvalue()


SUFFIXES = [".html", ".svg", ".md", ".png", ".jpg", ".npz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_the_same_verb_writes_over_a_file(tmp_path, suffix):
    path, content = tmp_path / "new" / f"a{suffix}", encoded(suffix)
    for _ in range(2):
        outputs.write("report", path, content)
    ours = path.read_bytes()
    with pytest.raises(UserError, match=rf"a\{suffix} was not written by ferjax explain and would be"):
        outputs.write("explain", path, content)
    assert path.read_bytes() == ours
    path.write_bytes(content)
    with pytest.raises(UserError, match="was not written by ferjax report"):
        outputs.check("report", path)
    assert path.read_bytes() == content
    path.write_bytes(b"")
    outputs.check("report", path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_marked_file_is_read_as_before(suffix):
    content = encoded(suffix)
    marked = outputs.marked("report", suffix, content)
    if suffix in (".png", ".jpg"):
        np.testing.assert_array_equal(Image.open(io.BytesIO(marked)), Image.open(io.BytesIO(content)))
    elif suffix == ".npz":
        assert zipfile.ZipFile(io.BytesIO(marked)).testzip() is None
        np.testing.assert_array_equal(np.load(io.BytesIO(marked))["a"], np.arange(3))
    else:
        assert marked.startswith(content.rstrip())


@pytest.mark.parametrize("kind", output_rows.FORMATS)
@pytest.mark.parametrize(
    "row",
    [
        output_rows.Row("a.png", output_rows.NO_FACE),
        output_rows.Row("a" * 99, output_rows.FAILED, "is damaged", time=3.5),
        output_rows.Row("b.mp4", output_rows.OK, time=1e4, face=1, probabilities=np.float32([0.2, 0.8])),
        output_rows.Row("喜び.png", output_rows.OK, face=12345, probabilities=np.float32([1, 0])),
    ],
)
def test_rows_of_every_format_are_known(tmp_path, kind, row):
    path = tmp_path / "rows.txt"
    with path.open("w") as file:
        writer = output_rows.writer(kind, ("sad", "happy"), 0, file, live=True)
        writer.write(row)
        writer.close()
    outputs.check("predict", path)
    with pytest.raises(UserError):
        outputs.check("report", path)


@pytest.mark.parametrize("kind", output_rows.FORMATS)
def test_rows_with_affect_and_sets_are_known(tmp_path, kind):
    path = tmp_path / "rows.txt"
    affect, probabilities = np.float32([0.5, -0.5]), np.float32([0.2, 0.8])
    with path.open("w") as file:
        writer = output_rows.writer(
            kind, ("sad", "happy"), 0, file, unsure_below=0.9, has_affect=True, set_of=lambda p: ("happy",)
        )
        writer.write(
            output_rows.Row("a.png", output_rows.OK, face=1, probabilities=probabilities, affect=affect)
        )
        writer.close()
    outputs.check("predict", path)


@pytest.mark.parametrize(
    "content",
    [
        "source,label\na,b\n",
        '{"source": "a"}\n',
        '{\n "source": "a", "status": "ok"}',
        "notes\n",
        "face 1\n",
        "\n",
    ],
)
def test_other_texts_are_no_rows(tmp_path, content):
    path = tmp_path / "rows.txt"
    path.write_text(content)
    with pytest.raises(UserError, match="was not written by ferjax predict"):
        outputs.check("predict", path)


@pytest.mark.parametrize("content", [{"dataset": "x"}, [], [1], 3, None, "text"])
def test_other_json_is_foreign(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    for verb in ("audit", "repeat", "aot", "torch-compare"):
        with pytest.raises(UserError, match="was not written by"):
            outputs.check(verb, path)
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match="was not written by"):
        outputs.check("audit", path)


def test_json_is_known_by_its_fields(tmp_path):
    path = tmp_path / "repeat.json"
    path.write_text(json.dumps({"test_digest": "x", "seeds": [1], "scores": {}, "summary": {}, "more": 1}))
    outputs.check("repeat", path)
    with pytest.raises(UserError):
        outputs.check("crossdb", path)


def test_pages_of_earlier_versions_are_known_with_the_files_beside_them(tmp_path):
    page, picture = tmp_path / "index.html", tmp_path / "curves.png"
    page.write_text(document("A run", "ferjax report", "", "", ""))
    picture.write_bytes(encoded(".png"))
    outputs.check("report", page, picture)
    with pytest.raises(UserError):
        outputs.check("explain", page)
    outputs.write("report", page, page.read_bytes())  # from now on all that it writes has marks
    with pytest.raises(UserError, match=r"curves\.png was not written"):
        outputs.check("report", page, picture)


def test_a_video_is_whole_or_absent_and_marked(tmp_path):
    pytest.importorskip("cv2")
    path = tmp_path / "a.mp4"
    for _ in range(2):
        writer = video.Writer(path, 10)
        writer.write(np.zeros((32, 32, 3), np.uint8))
        assert not path.exists() or outputs.wrote("predict", path)
        writer.close()
    assert len(list(video.file_frames(path))) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["folder", "file/a.md", "link/a.md", "l" * 300, "/proc/none/a.md"])
def test_places_that_cannot_be_written_are_one_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(UserError, match="cannot write") as caught:
        outputs.write("report", tmp_path / name, b"text")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["file", "file/a", "link/a", "l" * 300, "/proc/none"])
def test_folders_that_cannot_be_made_are_one_line(tmp_path, name):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(UserError, match=r"cannot write .*; name another place"):
        outputs.make_folder(tmp_path / name)


def test_pipes_and_devices_take_everything_and_stay(tmp_path):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    outputs.write("aot", pipe, b"text")
    reader.join()
    assert received == [b"text"]
    assert pipe.is_fifo()
    with pytest.raises(UserError, match="No space left on device; make room"):
        outputs.write("aot", Path("/dev/full"), b"text")
