"""Predictions in parts: every input once, whatever ends the command, and the same rows as in one file."""

import csv
import dataclasses
import json
import shutil

import pyarrow.parquet as pq
import pytest
import tiny
from fork_server import Forked
from many import encoded, write_folder, write_parquet, write_tar

from ferjax import pretrained
from ferjax.bulk.run import predict_parts
from ferjax.bulk.work import Settings
from ferjax.deploy import video
from ferjax.errors import UserError

SETTINGS = Settings(None, None, 0.0, 0.0, None, 0, "image")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, astronaut):
    """23 inputs of every kind, three of them broken and one skipped."""
    folder = write_folder(tmp_path_factory.mktemp("many") / "in", 8)
    (folder / "broken.png").write_bytes(encoded(1)[:40])
    (folder / "notes.md").write_text("skipped")
    members = [(f"{at}.png", encoded(100 + at)) for at in range(5)]
    write_tar(folder / "s.tar", [*members, ("clip.mp4", clip(tmp_path_factory, astronaut)), ("x.png", b"x")])
    write_parquet(folder / "t.parquet", [*(encoded(200 + at) for at in range(5)), None])
    return folder


def clip(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = video.Writer(path, 10.0)
    for frame in range(3):
        writer.write(astronaut[frame : 64 + frame, :64])
    writer.close()
    return path.read_bytes()


def run(inputs, network, folder, suffix="csv", part_inputs=4, settings=SETTINGS):
    return predict_parts([str(inputs)], network, settings, folder, suffix, part_inputs, None)


def rows(folder):
    """The rows of all parts, in order."""
    return [row for path in sorted(folder.glob("part-*.csv")) for row in csv.DictReader(path.open())]


@pytest.fixture(scope="module")
def done(inputs, colour_run, tmp_path_factory):
    """The folder of a command that nobody ended, and what it told."""
    folder = tmp_path_factory.mktemp("done") / "parts"
    return folder, run(inputs, colour_run, folder)


def test_every_input_has_its_rows_and_is_counted_once(done):
    folder, total = done
    sources = [row["source"].rpartition("/")[2] for row in rows(folder)]
    expected = [f"{at:03}.png" for at in range(8)] + ["broken.png", "notes.md"]
    expected += [f"s.tar#{at}.png" for at in range(5)] + ["s.tar#clip.mp4"] * 3 + ["s.tar#x.png"]
    expected += [f"t.parquet#{at}" for at in range(6)]
    assert sources == expected
    assert total.inputs == {"ok": 19, "failed": 3, "skipped": 1}
    assert total.faces == 21
    assert [failure.rpartition("/")[2].partition(" ")[0] for failure in total.failures] == [
        "broken.png", "s.tar#x.png", "t.parquet#5",
    ]  # fmt: skip
    assert json.loads((folder / "_summary.json").read_text())["inputs"] == dict(total.inputs)
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.slow
def test_the_rows_are_those_of_the_command_in_one_file(shell, done, inputs, colour_run, tmp_path):
    command = shell(
        "predict",
        inputs,
        "--cropped",
        f"--workdir={colour_run}",
        "--format=csv",
        f"--out={tmp_path / 'a.csv'}",
    )
    assert command.returncode == 1, command.stderr
    one = {row["source"]: row for row in csv.DictReader((tmp_path / "a.csv").open())}
    parts = {row["source"]: row for row in rows(done[0]) if "#" not in row["source"]}
    assert len(parts) == 10
    for source, row in parts.items():
        for name, value in row.items():
            if name.startswith("p") and value:  # probabilities, in other batches
                assert float(value) == pytest.approx(float(one[source][name]), abs=2e-6)
            else:
                assert value == one[source][name]


def test_parquet_and_json_lines_hold_the_same(done, inputs, colour_run, tmp_path):
    run(inputs, colour_run, tmp_path / "p", "parquet")
    run(inputs, colour_run, tmp_path / "j", "jsonl")
    table = pq.read_table(tmp_path / "p")  # passes over the plan
    lines = [
        line for path in sorted((tmp_path / "j").glob("part-*")) for line in path.read_text().splitlines()
    ]
    assert len(lines) == table.num_rows == len(rows(done[0]))
    for row, cells, line in zip(rows(done[0]), table.to_pylist(), lines, strict=True):
        found = json.loads(line)
        assert row["source"] == cells["source"] == found["source"]
        assert row["status"] == cells["status"] == found["status"]
        assert (row["reason"] or None) == cells["reason"] == found.get("reason")
        if row["status"] == "ok":
            assert row["label"] == cells["label"] == found["label"]
            assert cells["p_happy"] == pytest.approx(found["probabilities"]["happy"], abs=1e-7)
            assert cells["time"] == found.get("time")


@pytest.mark.slow
@pytest.mark.parametrize(
    "doomed", ["parts/part-00002.csv", "done/00002.json", "tasks/00001.jsonl", "_plan/plan.json"]
)
def test_a_killed_command_goes_on(tiny_run, done, inputs, colour_run, tmp_path, doomed):
    folder = tmp_path / "parts"
    arguments = [
        "predict", str(inputs), "--cropped", f"--workdir={colour_run}", f"--parts={folder}", "--format=csv",
        "--part_inputs=4", "--top_k=0",
    ]  # fmt: skip
    with tiny.Command(Forked(tiny_run.server, arguments, TINY_DIES_BEFORE=doomed)) as command:
        assert command.finish() == -9, command.text
    finished = {
        path.name: path.stat().st_mtime_ns for path in folder.glob("part-*") if "00002" not in path.name
    }
    assert len(finished) == (2 if "00002" in doomed else 0)
    with tiny.Command(Forked(tiny_run.server, arguments)) as command:
        assert command.finish() == 1, command.text
        assert ("2 of 6 parts" in command.text) == bool(finished)
    assert rows(folder) == rows(done[0])
    assert {name: (folder / name).stat().st_mtime_ns for name in finished} == finished
    left = list(folder.rglob("*.tmp"))
    assert len(left) <= 1  # what the kill left; readers pass over it
    assert all(path.name.startswith(".") for path in left)


def test_a_finished_command_does_nothing_more(done, inputs, colour_run):
    folder, total = done
    before = {path: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    assert run(inputs, colour_run, folder) == total
    assert {path: path.stat().st_mtime_ns for path in folder.glob("part-*")} == before


@pytest.fixture
def copy(done, tmp_path):
    """A finished folder to spoil."""
    return shutil.copytree(done[0], tmp_path / "parts")


def test_another_command_is_refused(copy, inputs, colour_run):
    with pytest.raises(
        UserError, match=r"parts of another command \(part_inputs was 4, is 5\); name another"
    ):
        run(inputs, colour_run, copy, part_inputs=5)
    with pytest.raises(UserError, match="image_column was 'image', is 'x'"):
        run(inputs, colour_run, copy, settings=dataclasses.replace(SETTINGS, image_column="x"))
    with pytest.raises(UserError, match="crops was None, is 'flip'; network was"):
        run(inputs, colour_run, copy, settings=dataclasses.replace(SETTINGS, crops="flip"))


def test_another_network_is_refused(copy, inputs):
    with pytest.raises(UserError, match="network was"):
        run(inputs, pretrained.shipped("faces"), copy)


def test_a_changed_archive_is_refused(inputs, colour_run, tmp_path):
    own = shutil.copytree(inputs, tmp_path / "in")
    run(own, colour_run, tmp_path / "parts")
    write_tar(own / "s.tar", [("0.png", encoded(1))])
    with pytest.raises(UserError, match=r"s\.tar was changed since"):
        run(own, colour_run, tmp_path / "parts")


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"format": 1}', b'{"format": 9}'])
def test_a_damaged_plan_is_told(copy, inputs, colour_run, content):
    (copy / "_plan" / "plan.json").write_bytes(content)
    with pytest.raises(UserError, match=r"plan\.json"):
        run(inputs, colour_run, copy)


def test_a_foreign_folder_stays_as_it_is(inputs, colour_run):
    before = sorted(inputs.iterdir())
    with pytest.raises(UserError, match="holds other files than predictions in parts"):
        run(inputs, colour_run, inputs)
    assert sorted(inputs.iterdir()) == before


def test_a_wrong_network_leaves_no_folder(inputs, tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        run(inputs, tmp_path / "nowhere", tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_nothing_to_predict_is_an_error(colour_run, tmp_path):
    (tmp_path / "list.txt").write_text("\n\n")
    with pytest.raises(UserError, match="no picture and no video among the inputs"):
        run(tmp_path / "list.txt", colour_run, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="no picture and no video among the inputs"):
        run(tmp_path / "list.txt", colour_run, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam"], "name their folder with --parts"),
        (["--format=parquet"], "name their folder with --parts"),
        (["--parts=x", "--out=y"], "--parts takes no --out"),
        (["--parts=x", "--engine=onnxruntime"], "--parts computes with XLA"),
        (["--parts=x", "--format=table"], "--parts takes --format=parquet, csv, jsonl, not table"),
        (["--parts=x", "--beam_option=runner"], "--beam_option=runner: it takes NAME=VALUE"),
        (["--parts=x", "--part_inputs=0"], "part_inputs"),
    ],
)
def test_wrong_commands_are_one_line(shell, flags, message):
    assert message in tiny.only_line(shell("predict", "a.png", *flags))
