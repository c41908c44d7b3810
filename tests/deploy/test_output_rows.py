"""The same predictions as a table, as JSON lines and as CSV."""

import csv
import io
import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from ferjax.deploy import output_rows
from ferjax.deploy.output_rows import Row
from ferjax.deploy.parquet_rows import ParquetRows

SEEN = ((0.0, 1), (0.04, 1), (0.08, 1), (0.08, 2))
LABELS = ("sad", "happy", "time")
CHANCES = np.float32([0.125, 0.625, 0.25])
FACE = Row("a.jpg", output_rows.OK, face=1, box=(1.5, 2.0, 30.0, 40.0), score=0.75, probabilities=CHANCES)
ROWS = [
    FACE,
    Row("b,\n.jpg", output_rows.NO_FACE),
    Row("c.jpg", output_rows.FAILED, "is damaged"),
    FACE._replace(source="d.mp4", time=0.0, lasts=1.0),
    FACE._replace(source="d.mp4", time=2.0, lasts=1.0, probabilities=np.float32([0.375, 0.375, 0.25])),
    FACE._replace(source="d.mp4", time=2.0, lasts=1.0, face=2),
]


def written(kind, top_k=2, **options):
    out = io.StringIO()
    writer = output_rows.writer(kind, LABELS, top_k, out, **options)
    for row in ROWS:
        writer.write(row)
    writer.close()
    return out.getvalue()


def test_json_lines():
    first, none, failed, *video = map(json.loads, written("jsonl").splitlines())
    assert first == {
        "source": "a.jpg",
        "status": "ok",
        "face": 1,
        "box": [1.5, 2, 30, 40],
        "score": 0.75,
        "label": "happy",
        "probability": 0.625,
        "probabilities": {"happy": 0.625, "time": 0.25},
    }
    assert none == {"source": "b,\n.jpg", "status": "no face"}
    assert failed == {"source": "c.jpg", "status": "failed", "reason": "is damaged"}
    assert [(row["time"], row["face"]) for row in video] == [(0, 1), (2, 1), (2, 2)]


def test_all_classes_are_told_if_asked():
    first = json.loads(written("jsonl", top_k=0).splitlines()[0])
    assert list(first["probabilities"]) == ["happy", "time", "sad"]


def test_csv_can_be_read_back():
    first, none, failed, *video = csv.DictReader(io.StringIO(written("csv")))
    assert first["label"] == "happy"
    assert [float(first[f"p_{name}"]) for name in LABELS] == CHANCES.tolist()
    assert [float(first[side]) for side in ("left", "top", "right", "bottom")] == [1.5, 2, 30, 40]
    assert first["time"] == ""
    assert none["source"] == "b,\n.jpg"
    assert (failed["status"], failed["reason"], failed["label"]) == ("failed", "is damaged", "")
    assert video[1]["time"] == "2"


def _likely(probabilities):
    """The classes of a face with a tenth or more."""
    return [name for name, chance in zip(LABELS, probabilities, strict=True) if chance >= 0.1]


def test_the_set_of_a_face_is_named():
    sets = {"set_of": _likely, "coverage": 0.9}
    lines = written("table", unsure_below=0.6, **sets).splitlines()
    first, none, *_ = map(json.loads, written("jsonl", **sets).splitlines())
    assert "  90%: " in lines[0]
    assert lines[0].endswith(", ".join(first["set"]))
    assert first["set_coverage"] == 0.9
    assert not {"set", "set_coverage"} & none.keys()
    row, none, *_ = csv.DictReader(io.StringIO(written("csv", **sets)))
    assert (row["set"].split("|"), none["set"]) == (first["set"], "")
    empty = written("table", set_of=lambda probabilities: [], coverage=0.9).splitlines()
    assert empty[0].endswith("90%: no class")


def test_a_face_unlike_those_of_training_is_called_so(monkeypatch):
    far = [row._replace(unlike=row.face == 1) if row.face else row for row in ROWS]
    far[4] = far[4]._replace(unlike=False)  # one of the two frames of the first face
    monkeypatch.setattr(sys.modules[__name__], "ROWS", far)
    ends = [line.endswith("  unlike the faces it was trained on") for line in written("table").splitlines()]
    assert ends == [True, False, False, False, False]
    first, none, *_, last = map(json.loads, written("jsonl").splitlines())
    assert (first["unlike"], last["unlike"], "unlike" in none) == (True, False, False)
    text = written("csv", tells_unlike=True, has_affect=True)
    assert text.splitlines()[0].endswith(",unsure,set,unlike,valence,arousal")
    assert [row["unlike"] for row in csv.DictReader(io.StringIO(text))][:3] == ["true", "", ""]


@pytest.mark.parametrize("tells_unlike", [False, True])
def test_parquet_has_the_column_where_it_is_told(tmp_path, tells_unlike):
    rows = ParquetRows(tmp_path / "rows.parquet", LABELS, output_rows.Doubt(), False, tells_unlike)
    for row in (FACE._replace(unlike=True if tells_unlike else None), ROWS[1]):
        rows.write(row)
    rows.close()
    table = pq.read_table(tmp_path / "rows.parquet")
    assert ("unlike" in table.column_names) is tells_unlike
    assert table.column("label").to_pylist() == ["happy", None]
    assert not tells_unlike or table.column("unlike").to_pylist() == [True, None]


@pytest.mark.parametrize(("below", "unsure"), [(0.6, False), (0.63, True)])
def test_an_unsure_face_is_called_so(below, unsure):
    """The faces of the pictures have 62.5 %; the first face of the video has 50 % on average."""
    lines = written("table", unsure_below=below).splitlines()
    assert [line.endswith("  unsure") for line in lines] == [unsure, False, False, True, unsure]
    first, none, *_ = map(json.loads, written("jsonl", unsure_below=below).splitlines())
    assert first["unsure"] is unsure
    assert "unsure" not in none
    first, none, *_ = csv.DictReader(io.StringIO(written("csv", unsure_below=below)))
    assert (first["unsure"], none["unsure"]) == (str(unsure).lower(), "")


def test_without_a_threshold_nothing_is_said_of_it():
    assert "unsure" not in written("table") + written("jsonl")
    assert written("csv").splitlines()[0].endswith(",p_time,unsure,set")
    assert {row["unsure"] for row in csv.DictReader(io.StringIO(written("csv")))} == {""}


def test_the_table_has_a_line_a_face_and_means_of_videos():
    first, none, failed, one, two = written("table").splitlines()
    assert "happy  62%" in first
    assert "time  25%" in first
    assert "sad" not in first
    assert none.startswith("b,?.jpg")
    assert failed.endswith("failed: is damaged")
    assert "2.00 s" in one
    assert "happy  50%" in one
    assert "1.00 s" in two


def test_a_camera_is_told_frame_by_frame():
    out = io.StringIO()
    writer = output_rows.writer("table", LABELS, 1, out, live=True)
    for time in (0.0, 0.1):
        writer.write(FACE._replace(source="webcam", time=time))
        assert f"{time:.2f} s" in out.getvalue()
    writer.close()
    assert len(out.getvalue().splitlines()) == 2


def test_a_face_is_seen_until_its_last_frame_ends():
    frames = [FACE._replace(source="d.mp4", time=time, face=face, lasts=0.04) for time, face in SEEN]
    assert [(row.face, round(row.time, 6)) for row in output_rows.video_means(frames)] == [
        (1, 0.12),
        (2, 0.04),
    ]
    assert "lasts" not in json.loads(_line("jsonl", frames[0]))


def _line(kind, row):
    out = io.StringIO()
    writer = output_rows.writer(kind, LABELS, 0, out)
    writer.write(row)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize("kind", output_rows.FORMATS)
@pytest.mark.parametrize("row", [FACE, Row("", output_rows.FAILED)])
def test_no_control_character_reaches_the_terminal(kind, row):
    text = _line(kind, row._replace(source="\x1b[2Ja\x9b31m\r.jpg", reason="\x1b]0;title\x07"))
    assert not set(text) & set(map(chr, (*range(10), *range(11, 32), *range(127, 160))))
    if kind == "jsonl":
        assert json.loads(text)["source"] == "\x1b[2Ja\x9b31m\r.jpg"


def test_a_video_without_a_face_is_one_line():
    frames = [Row("d.mp4", output_rows.NO_FACE, time=time) for time in (0.0, 0.5)]
    (found,) = output_rows.video_means(frames)
    assert found.status == output_rows.NO_FACE
    assert output_rows.video_means([]) == []


@pytest.mark.parametrize("name", ["\x1b[31mred\r.jpg", "x" * 99 + ".jpg"])
def test_names_stay_on_their_line(name):
    (line,) = output_rows.line(FACE._replace(source=name), LABELS, 1).splitlines()
    assert line.isprintable()
    assert line.index("face") == output_rows.line(FACE, LABELS, 1).index("face")
