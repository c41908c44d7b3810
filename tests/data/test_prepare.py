import os
import re
import shutil
import subprocess
import sys

import fer2013_copies as copies
import pytest

from ferjax.commands.prepare import prepare, summary
from ferjax.data import builders, load
from ferjax.data.sets.fer2013 import FER2013
from ferjax.errors import UserError


@pytest.fixture
def manual(tmp_path):
    copies.write_fer2013_csv(tmp_path / "manual", copies.rows(7, 3, 2))
    return str(tmp_path / "manual")


@pytest.fixture
def data(tmp_path):
    return str(tmp_path / "data")


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ferjax", "prepare", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_command_builds_and_counts(manual, data):
    run = command("fer2013", f"--manual_dir={manual}", f"--data_dir={data}")
    assert run.returncode == 0, run.stderr
    assert f"fer2013 is built in {builders.folder('fer2013', data)}" in run.stdout
    lines = [line.split() for line in run.stdout.splitlines()]
    assert ["train", "angry", "1", "3995", "differs"] in lines
    assert ["validation", "angry", "1", "467", "differs"] in lines
    assert ["test", "total", "2", "3589", "differs"] in lines
    assert len(load("fer2013", "train", data)) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fer201"], "there is no data set 'fer201'; the nearest names are fer2013"),
        (["fer2013"], "fer2013 is licensed: download it yourself"),
        (["fer2013", "--manual_dir=/nowhere"], "--manual_dir=/nowhere is not a folder"),
        (["fer2013", "--manual=x"], "Unknown command line flag 'manual'. Did you mean: manual_dir"),
        (["fer2013", "twice"], "prepare takes one name"),
        (["fer2013", f"--manual_dir={os.path.dirname(__file__)}"], "looked for fer2013.csv"),
        (["toons/avataaars", "--beam"], "toons/avataaars is drawn by ferjax: it takes no --manual_dir"),
        (["fer2013", "--beam_option=runner"], "--beam_option=runner: it takes NAME=VALUE"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, told, data):
    run = command(*arguments, f"--data_dir={data}")
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.strip().splitlines()
    assert line.startswith("ferjax: error: ")
    assert told in line


def test_wrong_folder_lists_what_was_looked_for_and_found(tmp_path, data):
    (tmp_path / "wrong" / "archive").mkdir(parents=True)
    for i in range(12):
        (tmp_path / "wrong" / f"holiday{i:02d}.jpg").touch()
    with pytest.raises(UserError) as caught:
        prepare("fer2013", str(tmp_path / "wrong"), data)
    line = str(caught.value)
    assert "looked for fer2013.csv, icml_face_data.csv" in line
    assert re.search(r"found archive/.* and \d+ more$", line)
    assert len(line) <= 420


def test_a_set_that_is_there_is_checked_and_kept(manual, data, capsys):
    prepare("fer2013", manual, data)
    shard = next(builders.folder("fer2013", data).glob("*test*record*"))
    before = shard.stat().st_mtime_ns
    capsys.readouterr()
    prepare("fer2013", None, data)
    assert "fer2013 is built already" in capsys.readouterr().out
    assert shard.stat().st_mtime_ns == before


def test_a_damaged_set_is_built_again(manual, data, capsys):
    prepare("fer2013", manual, data)
    next(builders.folder("fer2013", data).glob("*train*record*")).unlink()
    with pytest.raises(UserError, match="is damaged"):
        prepare("fer2013", None, data)  # nothing is removed while nothing can replace it
    prepare("fer2013", manual, data)
    assert "is damaged" in capsys.readouterr().out
    assert len(load("fer2013", "train", data)) == 7


def test_a_set_that_may_not_be_read_is_not_taken_for_a_damaged_one(manual, data, monkeypatch):
    prepare("fer2013", manual, data)
    folder = builders.folder("fer2013", data)
    before = sorted(folder.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(UserError, match="may not be read: it needs other permissions"):
        prepare("fer2013", manual, data)
    assert sorted(folder.iterdir()) == before


def test_a_place_that_is_a_file_is_told(manual, tmp_path):
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(UserError, match=r"cannot build fer2013 in .*--data_dir names another folder"):
            prepare("fer2013", manual, str(tmp_path / place))


def test_skipped_rows_and_notes_are_told_now_and_later(tmp_path, data, capsys):
    path = copies.write_fer2013_csv(tmp_path, copies.rows(3, 1, 1))
    path.write_text(path.read_text() + "9,1 2,Training\n")
    for _ in range(2):
        prepare("fer2013", str(tmp_path), data, skip_bad_rows=True)
        assert "1 bad rows were skipped" in capsys.readouterr().out
    shutil.rmtree(data)
    path.unlink()
    copies.write_folders(tmp_path, {split: {"fear": copies.faces(2)} for split in ("train", "test")})
    prepare("fer2013", str(tmp_path), data)
    assert "note: image folders have no validation split" in capsys.readouterr().out


def test_drawn_sets_take_no_folder(manual, data):
    with pytest.raises(UserError, match="takes no --manual_dir"):
        prepare("toons/avataaars", manual, data)


def test_every_name_has_a_builder_with_a_folder_of_its_own(data):
    folders = {name: builders.folder(name, data) for name in builders.names()}
    assert len(set(folders.values())) == len(folders)
    for name, folder in folders.items():
        assert builders.create(name, data).data_path == folder


def test_summary_marks_what_differs_from_the_published_counts():
    published = FER2013.PUBLISHED
    names = [name for name in published["train"] if name != "total"]
    counts = {split: {name: published[split][name] for name in names} for split in ("train", "test")}
    counts["validation"] = {name: published["validation"][name] for name in names}
    assert summary(counts, published).endswith("all numbers are the published ones")
    counts["test"] |= {"sad": 595}
    told = summary(counts, published)
    assert [line.split() for line in told.splitlines() if "differs" in line] == [
        ["test", "sad", "595", "594", "differs"],
        ["test", "total", "3590", "3589", "differs"],
    ]
    assert told.endswith("2 numbers differ")
    assert "published" not in summary({"train": {"happy": 2}}, {}).splitlines()[-1]


def test_published_counts_are_consistent():
    for split in ("train", "test"):
        counts = FER2013.PUBLISHED[split]
        assert sum(counts.values()) == 2 * counts["total"]
