import json
import multiprocessing
import os

import pytest
import tiny

from ferjax.config import FREE_FIELDS, defaults, flat
from ferjax.errors import UserError
from ferjax.runs import workdir


def claimed(folder, config=None, writes=True):
    return workdir.claim(folder, config or defaults(), writes)


def started(folder):
    """A workdir whose run has written something."""
    with claimed(folder):
        (folder / "metrics.jsonl").write_text("")
    return folder


def test_a_new_folder_gets_the_config(tmp_path):
    folder = tmp_path / "a" / "b"
    with claimed(folder):
        assert json.loads((folder / "config.json").read_text()) == defaults().to_dict()


def test_a_process_that_does_not_write_touches_nothing(tmp_path):
    with claimed(tmp_path / "run", writes=False):
        assert not (tmp_path / "run").exists()


def test_the_same_config_goes_on_and_another_is_refused(tmp_path):
    folder = started(tmp_path / "run")
    with claimed(folder):
        pass
    config = defaults()
    config.train.epochs = 3.0
    config.optimizer.name = "adamw"
    with pytest.raises(UserError) as caught, claimed(folder, config):
        pass
    assert str(caught.value) == (
        f"{folder} belongs to another config (optimizer.name was 'sgd', is 'adamw'; train.epochs was 80.0, "
        "is 3.0); take another --workdir, or remove that folder"
    )
    config.update(tiny.tiny_configuration())
    with pytest.raises(UserError, match=r"; and [0-9]+ more\); take"), claimed(folder, config):
        pass


def test_a_run_of_an_earlier_version_lacks_a_field_that_was_at_its_default(tmp_path):
    folder = started(tmp_path / "run")
    stored = defaults().to_dict()
    del stored["init"]["new"]
    (folder / "config.json").write_text(json.dumps(stored))
    with claimed(folder):
        pass
    config = defaults()
    config.init.new = "fc"
    with pytest.raises(UserError, match=r"init\.new was '', is 'fc'"), claimed(folder, config):
        pass


def test_every_free_field_exists_and_may_differ(tmp_path):
    folder = started(tmp_path / "run")
    config = defaults()
    for field in FREE_FIELDS:
        value = dict(flat(config))[field]
        other = f"{value}x" if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
        config.update_from_flattened_dict({field: other})
    with claimed(folder, config):
        pass
    assert json.loads((folder / "config.json").read_text()) == defaults().to_dict()


def test_a_start_that_failed_early_binds_nobody(tmp_path):
    with claimed(tmp_path / "run"):
        pass
    config = defaults()
    config.train.seed = 9
    with claimed(tmp_path / "run", config):
        pass
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["seed"] == 9


@pytest.mark.parametrize("locked", [True, False], ids=["disk", "object storage"])
@pytest.mark.parametrize("others", [[], ["tensorboard/events"], ["init.json", "tracking.json"]], ids=len)
def test_a_start_that_was_killed_early_goes_on(tmp_path, locked, others):
    """Object storage keeps no lock, and may have received these alone."""
    with claimed(tmp_path):
        pass
    if not locked:
        (tmp_path / ".lock").unlink()
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    with claimed(tmp_path):
        assert json.loads((tmp_path / "config.json").read_text()) == defaults().to_dict()


@pytest.mark.parametrize("text", ["{", '{"architectures": ["ViTForImageClassification"]}'])
def test_the_config_of_another_program_is_left_alone(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"other files \(config\.json\)"), claimed(tmp_path):
        pass
    assert (tmp_path / "config.json").read_text() == text


@pytest.mark.parametrize("name", ["config.json", "notes.txt", "weights.safetensors", "train/a.png"])
def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    config = defaults()
    config.train.seed = 9
    path.write_text(json.dumps(config.to_dict()))
    before = path.read_bytes()
    with (
        pytest.raises(UserError, match=r"holds no run, but other files \(.*\); name a --workdir that is new"),
        claimed(tmp_path),
    ):
        pass
    assert path.read_bytes() == before
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_other_files_beside_an_early_failure_are_no_run(tmp_path):
    with claimed(tmp_path):
        pass
    (tmp_path / "manifest.json").write_text("{}")
    config = defaults()
    config.train.seed = 9
    with pytest.raises(UserError, match=r"other files \(manifest\.json\)"), claimed(tmp_path, config):
        pass
    assert json.loads((tmp_path / "config.json").read_text())["train"]["seed"] == 0


def test_hidden_files_and_what_is_on_every_disk_do_not_matter(tmp_path):
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "lost+found").mkdir()
    with claimed(tmp_path):
        assert (tmp_path / "config.json").exists()


def test_a_run_without_its_config_is_refused(tmp_path):
    folder = started(tmp_path / "run")
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"holds a run without its config\.json"), claimed(folder):
        pass
    folder.joinpath("config.json").write_text("{")
    with pytest.raises(UserError, match="is not valid JSON"), claimed(folder):
        pass


def test_two_runs_cannot_write_one_folder(tmp_path):
    with (
        claimed(tmp_path / "run"),
        pytest.raises(UserError, match=r"another run is writing .*run; wait for it"),
        claimed(tmp_path / "run"),
    ):
        pass
    with claimed(tmp_path / "run"):  # the lock is gone with its run
        pass


def hold_and_die(folder):
    with claimed(folder):
        os._exit(0)


def test_a_killed_run_leaves_no_lock(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(tmp_path / "run",))
    child.start()
    child.join()
    with claimed(tmp_path / "run"):
        pass


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"cannot write the workdir .*file/run: Not a directory"),
        claimed(tmp_path / "file" / "run"),
    ):
        pass


@pytest.mark.parametrize("writes", [True, False])
def test_a_place_that_cannot_be_used_while_the_run_is_at_work_is_told(tmp_path, writes):
    with (
        pytest.raises(UserError, match=r"cannot use a/metrics\.jsonl: Permission denied; .* is whole: mend"),
        claimed(tmp_path / "run", writes=writes),
    ):
        raise PermissionError(13, "Permission denied", "a/metrics.jsonl")
    with pytest.raises(OSError, match="No space left"), claimed(tmp_path / "run", writes=writes):
        raise OSError(28, "No space left on device")  # the command tells of it


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    folder, other = started(tmp_path / "run"), tmp_path / "other"
    (folder / ".lock").unlink()
    (folder / ".lock").symlink_to(other)
    with pytest.raises(UserError, match="cannot write the workdir"), claimed(folder):
        pass
    assert not other.exists()


def test_a_file_that_is_called_like_the_lock_is_not_emptied(tmp_path):
    (tmp_path / ".lock").write_text("kept")
    with claimed(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "kept"


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with claimed(tmp_path):
        assert (tmp_path / "config.json").is_file()
