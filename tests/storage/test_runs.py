"""Commands on a store: the same bits as on a disk, whatever fails or is killed, and clear lines."""

import json
from pathlib import Path

import jax
import pytest
import tiny
from fork_server import Forked
from object_store import BUCKET, ObjectStore, first

from ferjax.errors import UserError
from ferjax.training.loop import train_and_evaluate

SETS, RUN = f"s3://{BUCKET}/sets", f"s3://{BUCKET}/runs/a"


class Machine:
    """A machine that has its own folder of copies."""

    def __init__(self, tiny_run: tiny.Tiny, store: ObjectStore, folder: Path, **environment: str) -> None:
        self._server = tiny_run.server
        self._environment = {**store.environment, "FERJAX_STORAGE_DIR": str(folder), **environment}

    def start(self, *arguments: str) -> tiny.Command:
        return tiny.Command(Forked(self._server, [*arguments], **self._environment))

    def run(self, *arguments: str, code: int = 0) -> str:
        """The output of a command that must end with this code."""
        with self.start(*arguments) as command:
            assert command.finish() == code, command.text
            return command.text

    def line(self, *arguments: str) -> str:
        """The one line of a command that is refused."""
        text = self.run(*arguments, code=2)
        assert "Traceback" not in text
        [line] = [line for line in text.splitlines() if line.startswith("ferjax: error: ")]
        return line.removeprefix("ferjax: error: ")


@pytest.fixture
def machine(tiny_run, store, tmp_path):
    return Machine(tiny_run, store, tmp_path / "machine")


def train(workdir: str = RUN, data: str = SETS, *more: str) -> list[str]:
    return tiny.train_arguments(data, workdir, *more)


def put_folder(store: ObjectStore, folder: Path, key: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def get_folder(store: ObjectStore, key: str, folder: Path) -> Path:
    for name in store.names(f"{key}/"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.get(name))
    return folder / key


@pytest.mark.slow
def test_a_run_that_is_killed_on_one_machine_goes_on_on_the_next_bit_for_bit(
    tiny_run, never_killed, store, tmp_path, tiny_registered
):
    """Also while the store answers 503, breaks connections, and cuts what it sends."""
    put_folder(store, tiny_run.data, "sets")
    store.put("runs/a/checkpoints/4/state/a", b"left by a kill")
    for number, (step, happens) in enumerate([(6, "503"), (13, "reset"), (None, "cut")]):
        machine = Machine(tiny_run, store, tmp_path / f"machine-{number}")
        faults = first(25, happens, "GET" if happens == "cut" else "GET PUT DELETE")
        with (
            store.failing(
                lambda method, key, faults=faults: (
                    (len(store.requests) % 3 == 0 and faults(method, key)) or None
                )
            ),
            machine.start(*train()) as command,
        ):
            if step is None:  # the last machine is left to it
                assert command.finish() == 0, command.text
                assert f"workdir {RUN}" in command.text
                assert str(tmp_path) not in command.text
            else:
                assert command.reaches(step), command.text
                command.process.kill()
    workdir = get_folder(store, "runs/a", tmp_path / "fetched")
    assert tiny.result(workdir) == tiny.result(never_killed)
    assert tiny.steady(tiny.rows(workdir)) == tiny.steady(tiny.rows(never_killed))
    tiny.assert_once(workdir)
    arrays, meta = tiny.newest(workdir)
    expected, expected_meta = tiny.newest(never_killed)
    tiny.assert_same(arrays, expected)
    assert meta["weights_checksum"] == expected_meta["weights_checksum"]
    assert not [name for name in store.names("runs/a/") if name.endswith((".lease", ".tmp"))]
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == sorted(
        path.name for path in (never_killed / "checkpoints").iterdir()
    )


@pytest.mark.slow
@pytest.mark.relative  # the run that is killed reads and writes the same places
def test_a_finished_run_is_used_from_the_store(tiny_run, never_killed, store, machine, tmp_path):
    put_folder(store, tiny_run.data, "sets")
    put_folder(store, never_killed, "runs/a")
    before = store.names()
    assert f"{RUN} is already finished" in machine.run(*train(data=str(tiny_run.data)))
    assert store.names() == before
    assert f"{RUN}/report/index.html" in machine.run("report", RUN)
    assert b"reliability" in store.get("runs/a/report/index.html")
    machine.run("evaluate", f"--workdir={RUN}", f"--data_dir={SETS}", "--split=validation")
    stored = {name for name in store.names("runs/a/evaluations/") if name.endswith(".json")}
    assert len(stored) == 1
    result = json.loads(store.get(stored.pop()))
    assert result["test"]["accuracy"] == tiny.result(never_killed)["validation"]["accuracy"]
    machine.run("export", f"--workdir={RUN}", f"--out=s3://{BUCKET}/bundle", "--formats=bundle")
    assert "bundle/bundle/manifest.json" in store.names()
    assert "--out" in machine.line("report", RUN, str(never_killed))
    leaked = [name for name in store.names() if str(tmp_path).encode() in store.get(name)]
    assert leaked == []


def test_a_store_that_cannot_be_used_is_one_line(tiny_run, store, machine, tmp_path):
    nowhere = "s3://nowhere/x"
    for arguments in (train(nowhere), ["report", nowhere], ["prepare", "fer2013", f"--data_dir={nowhere}"]):
        assert ": there is no bucket nowhere; make it, or name another" in machine.line(*arguments)
    alone = Machine(tiny_run, store, tmp_path / "alone", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert f"{RUN} cannot be used without credentials" in alone.line("report", RUN)
    assert f"{RUN} is not a directory; give the --workdir of a run" in machine.line("report", RUN)
    with store.failing(lambda method, key: "denied" if method == "PUT" else None):
        line = machine.line(*train(data=str(tiny_run.data)))
    assert line.startswith(f"{RUN}/.lease: access is denied")
    assert store.names() == []


def test_several_processes_need_a_folder_that_all_see(store, tiny_registered, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(
        UserError, match=f"{RUN}: a run of several processes needs a --workdir that all of them"
    ):
        train_and_evaluate(tiny.tiny_configuration(), RUN)


def test_sets_in_a_store_are_read_and_not_built(tiny_run, store, machine):
    put_folder(store, tiny_run.data, "sets")
    assert "fer2013 is built already, in s3://bucket/sets/fer2013/" in machine.run(
        "prepare", "fer2013", f"--data_dir={SETS}"
    )
    assert "name a folder for the page with --out" in machine.line("audit", "fer2013", f"--data_dir={SETS}")
    line = machine.line("prepare", "toons/avataaars", f"--data_dir={SETS}")
    assert "built on a disk and not in s3://bucket/sets" in line


@pytest.mark.slow
def test_a_licensed_set_is_built_from_files_in_a_store(tiny_run, store, machine, tmp_path):
    store.put("raw/fer2013.csv", (tiny_run.data.parent / "fer2013.csv").read_bytes())
    machine.run("prepare", "fer2013", f"--manual_dir=s3://{BUCKET}/raw", f"--data_dir={tmp_path / 'built'}")
    names = [path.relative_to(tiny_run.data) for path in tiny_run.data.rglob("*.array_record*")]
    for name in names:
        assert (tmp_path / "built" / name).read_bytes() == (tiny_run.data / name).read_bytes()
    assert names
    assert store.names() == ["raw/fer2013.csv"]
    assert not list((tmp_path / "machine" / "copies").glob("[0-9]*"))
