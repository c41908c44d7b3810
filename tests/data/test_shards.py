"""Shards written as tasks of their own are the files of one pass, also when Apache Beam carries them out."""

import importlib.util
import pickle
import subprocess
import sys

import copies
import pytest
from copies.copy import Copy

from ferjax.data import builders
from ferjax.data.builders import shards
from ferjax.data.builders.base import LicensedBuilder

ONE_FILE = {"fer2013 csv", "fer2013 icml", "fer2013 folders", "ferplus", "ckplus csv"}
FILES = [layout for layout in copies.LAYOUTS if layout not in ONE_FILE]
needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam, an optional extra, is not installed"
)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_EXAMPLES", 5)


def in_another_order(todo, write, folder):
    """Carries tasks out from the last to the first, each sent there and back as a worker would get it."""
    assert folder.is_dir()
    return [pickle.loads(pickle.dumps(write))(pickle.loads(pickle.dumps(task))) for task in reversed(todo)]


@pytest.fixture
def apart(monkeypatch):
    """A build writes its shards apart from each other."""

    def write(self, folder):
        return self.write_shards(folder, in_another_order)

    def switch():
        monkeypatch.setattr(LicensedBuilder, "_write", write)

    return switch


def built(copy, place, **options):
    """Every file of a set that is built from a copy into a folder of this name: name → bytes."""
    copy.data = copy.manual.parent / place
    copy.prepare(**options)
    folder = builders.folder(copy.name, copy.data)
    # What is kept beside the shards, such as the index, is no part of the build.
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".npz"}


def without_the_second_shard(manual):
    """The images of AffectNet's old layout that the training list names sixth to tenth are lost."""
    listed = (manual / "Manually_Annotated_file_lists/training.csv").read_text().splitlines()[1:]
    faces = [line.partition(",")[0] for line in listed if line.split(",")[6] not in ("7", "8", "9", "10")]
    for name in faces[5:10]:
        (manual / "Manually_Annotated_Images" / name).unlink()


@pytest.mark.slow
@pytest.mark.parametrize("copy", FILES, indirect=True)
def test_shards_written_apart_are_those_of_one_pass(copy, apart):
    one_pass = built(copy, "one")
    apart()
    assert built(copy, "apart") == one_pass
    assert sum("array_record" in name for name in one_pass) > 2


@pytest.mark.parametrize("copy", ["affectnet7 old"], indirect=True)
def test_a_shard_of_which_every_image_is_lost_leaves_no_gap(copy, apart):
    whole = built(copy, "whole")
    without_the_second_shard(copy.manual)
    one_pass = built(copy, "one")
    assert len(one_pass) == len(whole) - 1
    apart()
    assert built(copy, "apart") == one_pass


@pytest.mark.parametrize("copy", ["rafdb list"], indirect=True)
def test_a_bad_image_is_refused_or_counted_as_in_one_pass(copy, apart):
    for number in (3, 9):
        (copy.manual / f"basic/Image/aligned/train_{number:05d}_aligned.jpg").write_bytes(b"no image")
    told, files = [], []
    for place in ("one", "apart"):
        if place == "apart":
            apart()
        copy.data = copy.manual.parent / place
        told.append(copy.refused("not a readable image"))
        assert not list(copy.data.rglob("*array_record*"))
        files.append(built(copy, place, skip_bad_rows=True))
        assert copy.info().metadata["bad_rows"] == 2
    assert told[0] == told[1]
    assert "train_00003" in told[0]
    assert files[0] == files[1]


@pytest.mark.parametrize("copy", sorted(ONE_FILE), indirect=True)
def test_a_set_of_one_file_is_not_cut(copy, apart):
    apart()
    copy.refused("built (from one file )?in one pass: leave out --beam")


@pytest.mark.parametrize("copy", ["jaffe"], indirect=True)
def test_a_missing_beam_is_told(copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    for module in ("ferjax.data.builders.beam_pipeline", "ferjax.platform.beam_pipeline"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    copy.refused(r"--beam needs Apache Beam \(.*\): pip install 'ferjax\[beam\]'", beam={})


@pytest.mark.slow
@needs_beam
@pytest.mark.parametrize("copy", ["affectnet7 old"], indirect=True)
def test_beam_writes_the_files_of_one_pass(copy):
    without_the_second_shard(copy.manual)
    one_pass = built(copy, "one")
    assert built(copy, "beam", beam={"direct_num_workers": "2"}) == one_pass


@needs_beam
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"direct_num_wrkers": "2"}, "Apache Beam has no option direct_num_wrkers"),
        ({"runner": "Nobody"}, "runner=Nobody"),
    ],
)
def test_bad_options_of_beam_are_told(tmp_path, options, told):
    Copy("jaffe", tmp_path).refused(told, beam=options)


@pytest.mark.slow
@needs_beam
def test_the_command_takes_beam(tmp_path):
    copy = Copy("jaffe", tmp_path)
    run = subprocess.run(
        [
            sys.executable, "-m", "ferjax", "prepare", "jaffe", f"--manual_dir={copy.manual}",
            f"--data_dir={copy.data}", "--beam_option=direct_running_mode=in_memory",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert len(copy.records()) == copy.truth.examples.total()
