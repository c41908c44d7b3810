import json
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.runs import checkpoints, weights
from ferjax.runs.checkpoints import Checkpoints, Damaged
from ferjax.training import state

# Reads that Orbax abandons when another one fails; pytest looks at them before ferjax can leave them out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def like():
    """The shapes of a state that is large enough to be stored outside Orbax's own tables."""
    model = tiny.TinyNet(features=16)
    tx = optax.sgd(0.1, momentum=0.9)
    shapes = jax.eval_shape(lambda: state.create(model, tx, (8, 8, 3), 0, ema=True))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=device), shapes)


def filled(like, seed):
    """A state of random numbers."""
    generator = np.random.default_rng(seed)

    def fill(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(seed)
        return jnp.asarray(generator.standard_normal(leaf.shape) * 100, leaf.dtype)

    return jax.tree.map(fill, like)


def meta(step, best_step=None):
    return {"best_step": step if best_step is None else best_step, "best": {"loss": 0.1 + step}}


@pytest.fixture
def opened(tmp_path, like):
    """A folder with the checkpoints 1, 2 and 3, of seeds 1, 2 and 3."""
    kept = Checkpoints(tmp_path, "tiny", keep=3)
    for step in (1, 2, 3):
        kept.save(filled(like, step), step, meta(step))
    kept.wait()
    yield kept
    kept.close()


def assert_is(restored, like, seed):
    found, found_meta = restored
    tiny.assert_same(tiny.plain_tree(found), tiny.plain_tree(filled(like, seed)))
    assert {name: found_meta[name] for name in meta(seed)} == meta(seed)


def test_what_is_saved_comes_back(opened, like):
    assert opened.steps() == [1, 2, 3]
    assert_is(opened.restore_newest(like), like, 3)
    assert_is(opened.restore(1, like), like, 1)


def test_an_empty_folder_has_nothing_to_restore(tmp_path, like):
    assert Checkpoints(tmp_path, "tiny", keep=1).restore_newest(like) is None


def test_a_step_is_saved_once(opened, like):
    opened.save(filled(like, 9), 3, meta(3))
    assert_is(opened.restore(3, like), like, 3)


def test_the_newest_and_the_best_stay(tmp_path, like):
    kept = Checkpoints(tmp_path, "tiny", keep=2)
    best = {1: 1, 2: 2, 3: 2, 4: 2, 5: 5, 6: 5, 7: 5, 8: 5}
    for step, best_step in best.items():
        kept.save(filled(like, step), step, meta(step, best_step))
        kept.wait()
        assert kept.steps() == sorted({step - 1, step, best_step} & set(best))
    kept.close()
    again = Checkpoints(tmp_path, "tiny", keep=2)
    again.restore_newest(like)
    again.save(filled(like, 9), 9, meta(9, 5))
    again.close()
    assert again.steps() == [5, 8, 9]


def test_saving_takes_a_copy_before_the_state_is_donated(tmp_path, like):
    kept = Checkpoints(tmp_path, "tiny", keep=1)
    current = filled(like, 1)
    kept.save(current, 1, meta(1))
    jax.tree.map(lambda x: x.delete(), current)
    kept.wait()
    assert_is(kept.restore_newest(like), like, 1)
    kept.close()


def test_another_network_is_refused_and_nothing_is_moved(tmp_path, opened, like):
    other = Checkpoints(tmp_path, "resemotenet", keep=3)
    with pytest.raises(UserError, match="is of the network tiny, not resemotenet; use another --workdir"):
        other.restore_newest(like)
    assert other.steps() == [1, 2, 3]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {"flip": tiny.flip, "truncate": truncate, "empty": lambda path: path.write_bytes(b""),
           "delete": lambda path: path.unlink()}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_to_any_file_gives_other_numbers(tmp_path, opened, like, damage, caplog):
    opened.close()
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path / "checkpoints", whole)
    found = 0
    for name in files(whole / "3"):
        shutil.rmtree(tmp_path / "checkpoints")
        shutil.copytree(whole, tmp_path / "checkpoints")
        DAMAGES[damage](tmp_path / "checkpoints" / "3" / name)
        again = Checkpoints(tmp_path, "tiny", keep=3)
        restored = again.restore_newest(like)
        moved = 3 not in again.steps()
        assert_is(restored, like, 2 if moved else 3)
        again.close()
        found += moved
        assert caplog.text.count("it is skipped and was moved to") == moved
        caplog.clear()
    assert found > 3  # files that are needed to read the arrays and counters


def test_changed_numbers_in_the_arrays_and_counters_are_damage(tmp_path, opened, like):
    folder = tmp_path / "checkpoints" / "3"
    tiny.flip(folder / "state")
    with pytest.raises(Damaged, match=r"checkpoints/3 is damaged \("):
        opened.restore(3, like)
    tiny.flip(folder / "state")
    assert_is(opened.restore(3, like), like, 3)

    counters = folder / "meta" / "metadata"
    text = counters.read_text()
    counters.write_text(text.replace('"loss": 3.1', '"loss": 3.2'))
    with pytest.raises(Damaged, match="its counters differ from what was written"):
        opened.restore(3, like)
    counters.write_text(text)
    assert_is(opened.restore(3, like), like, 3)


def test_other_arrays_under_the_same_name_are_damage(tmp_path, opened, like):
    """Two checkpoints' arrays exchanged: each is whole for Orbax, but not what was written."""
    first, second = (tmp_path / "checkpoints" / step / "state" for step in "23")
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    for step in (2, 3):
        with pytest.raises(Damaged, match="its arrays differ from what was written"):
            opened.restore(step, like)


def test_a_damaged_one_is_moved_aside_and_can_be_saved_again(tmp_path, opened, like, caplog):
    shutil.rmtree(tmp_path / "checkpoints" / "3" / "state")
    assert_is(opened.restore_newest(like), like, 2)
    assert "checkpoints/3 is damaged" in caplog.text
    assert files(tmp_path / "checkpoints_damaged" / "3")
    assert opened.steps() == [1, 2]
    opened.save(filled(like, 4), 3, meta(3))
    opened.wait()
    found, _ = opened.restore_newest(like)
    tiny.assert_same(tiny.plain_tree(found), tiny.plain_tree(filled(like, 4)))


def test_all_damaged(tmp_path, opened, like):
    for step in "123":
        shutil.rmtree(tmp_path / "checkpoints" / step / "state")
    with pytest.raises(UserError, match=r"all 3 checkpoints in .* are damaged .* start again"):
        opened.restore_newest(like)
    assert len(list((tmp_path / "checkpoints_damaged").iterdir())) == 3


def test_half_written_ones_are_ignored_and_removed(tmp_path, opened, like):
    opened.close()
    half = tmp_path / "checkpoints" / "4.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints" / "3", half)
    again = Checkpoints(tmp_path, "tiny", keep=3)
    assert_is(again.restore_newest(like), like, 3)
    assert not half.exists()
    again.save(filled(like, 4), 4, meta(4))
    again.close()
    assert again.steps() == [2, 3, 4]


def test_a_disk_without_room_is_told(tmp_path, like, monkeypatch):
    kept = Checkpoints(tmp_path, "tiny", keep=1)
    for error in (OSError(28, "No space left on device"), ValueError("x: No space left on device [y]")):
        monkeypatch.setattr(kept._manager, "save", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        with pytest.raises(UserError, match=r"cannot write a checkpoint to .*: No space left on device; ear"):
            kept.save(filled(like, 1), 1, meta(1))
    monkeypatch.setattr(kept._manager, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a bug keeps its traceback
        kept.save(filled(like, 1), 1, meta(1))


def test_the_counters_checksum_ignores_itself():
    sealed = checkpoints.sealed({"b": 1.5, "a": None})
    assert checkpoints.sealed(sealed) == sealed
    assert checkpoints.sealed({**sealed, "b": 1.25}) != {**sealed, "b": 1.25}


def test_a_whole_checkpoint_of_other_arrays_is_refused_and_stays(tmp_path, opened, like):
    """As after an edit of config.json, or with a set of other classes; also those of earlier versions."""
    fewer = tiny.TinyNet(num_classes=6, features=16)
    shapes = jax.eval_shape(lambda: state.create(fewer, optax.sgd(0.1, momentum=0.9), (8, 8, 3), 0, ema=True))
    other = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=like.step.sharding), shapes
    )
    without_average = like.replace(ema=None)
    for wanted, reason in (
        (other, r"params\.fc\.bias was 7, is 6; params\.fc\.kernel was 32×7, is 32×6; and \d+ more"),
        (without_average, r"ema\.batch_stats\.bn1\.mean was 16, is absent; "),
    ):
        with pytest.raises(UserError, match=rf"3 is whole, but .*{reason}.*config\.json") as caught:
            opened.restore_newest(wanted)
        assert not isinstance(caught.value, Damaged)
        assert len(str(caught.value)) - len(str(tmp_path)) < 330
    assert opened.steps() == [1, 2, 3]
    for step in "123":
        without_layout(tmp_path / "checkpoints" / step)
    with pytest.raises(UserError, match="checkpoints/3 is whole, but its arrays are not this run's"):
        opened.restore_newest(other)
    assert_is(opened.restore_newest(like), like, 3)
    assert not (tmp_path / "checkpoints_damaged").exists()


def without_layout(checkpoint):
    """Makes the meta that of an earlier version, which did not record the arrays' names and shapes."""
    path = checkpoint / "meta" / "metadata"
    content = json.loads(path.read_text())
    del content["layout"]
    path.write_text(json.dumps(checkpoints.sealed(content)))


def test_a_damaged_checkpoint_of_an_earlier_version_is_moved_also_where_the_arrays_are_others(
    tmp_path, opened, like
):
    without_layout(tmp_path / "checkpoints" / "3")
    tiny.flip(tmp_path / "checkpoints" / "3" / "state")
    with pytest.raises(UserError, match="checkpoints/2 is whole, but its arrays"):
        opened.restore_newest(like.replace(ema=None))
    assert opened.steps() == [1, 2]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError(116, "Stale file handle"), "Stale file handle"),
        (ValueError('PERMISSION_DENIED: "x" [OS error 13: EACCES Permission denied]'), "Permission denied"),
        (MemoryError(), "there is not enough memory"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), "there is not enough memory"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_stays(tmp_path, opened, like, monkeypatch, error, reason):
    def barred(*_, **__):
        raise error

    monkeypatch.setattr(opened._manager, "restore", barred)
    with pytest.raises(UserError, match=rf"3 cannot be read \({reason}\).*left as it is") as caught:
        opened.restore_newest(like)
    assert not isinstance(caught.value, Damaged)
    assert opened.steps() == [1, 2, 3]
    monkeypatch.undo()
    assert_is(opened.restore_newest(like), like, 3)


@pytest.mark.parametrize("read", ["run", "weights"])
def test_files_that_may_not_be_read_are_named(tmp_path, opened, like, monkeypatch, read):
    """Orbax takes them for missing."""
    barred = tmp_path / "checkpoints" / "3" / "meta" / "metadata"
    barred.rename(tmp_path / "aside")
    barred.write_bytes(b"")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(barred) and may(path, mode))
    with pytest.raises(UserError, match="meta/metadata: Permission denied") as caught:
        opened.restore_newest(like) if read == "run" else weights.load(tmp_path)
    assert not isinstance(caught.value, Damaged)
    assert opened.steps() == [1, 2, 3]


def test_all_damaged_is_told_again_at_the_next_start(tmp_path, opened, like):
    """Beginning anew would overwrite the run's metrics."""
    for step in "123":
        shutil.rmtree(tmp_path / "checkpoints" / step / "state")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"all 3 checkpoints in .* are damaged .* start again with another"
        ):
            opened.restore_newest(like)


def test_an_earlier_damaged_one_is_not_overwritten(tmp_path, opened, like):
    first = tmp_path / "checkpoints_damaged" / "3" / "note"
    first.parent.mkdir(parents=True)
    first.write_text("kept")
    shutil.rmtree(tmp_path / "checkpoints" / "3" / "state")
    assert_is(opened.restore_newest(like), like, 2)
    assert first.read_text() == "kept"
    assert files(tmp_path / "checkpoints_damaged" / "3-1")


OTHERS = [
    "20.bak", "best", "tmp", "3.orbax-checkpoint-tmp.bak", "x.orbax-checkpoint-tmp", "003", "3 (copy)", "²",
    ".hidden", "-1", "1e3", "3.0",
]  # fmt: skip


def test_what_is_no_number_is_left_alone(tmp_path, opened, like):
    opened.close()
    for name in OTHERS:
        (tmp_path / "checkpoints" / name).mkdir()
        (tmp_path / "checkpoints" / name / "file").write_text(name)
    (tmp_path / "checkpoints" / "notes.txt").write_text("mine")
    (tmp_path / "checkpoints" / "7.orbax-checkpoint-tmp-1700000000").mkdir()
    again = Checkpoints(tmp_path, "tiny", keep=2)
    assert_is(again.restore_newest(like), like, 3)
    again.save(filled(like, 4), 4, meta(4))
    again.close()
    assert again.steps() == [3, 4]
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {*OTHERS, "notes.txt", "3", "4"}
    assert all((tmp_path / "checkpoints" / name / "file").read_text() == name for name in OTHERS)
    assert weights.load(tmp_path)[1]["step"] == 4


def test_a_meta_that_does_not_belong_to_the_run_is_refused_before_the_arrays_are_read(opened, like):
    def refuse(found):
        raise UserError(f"not of step {found['best_step']}")

    with pytest.raises(UserError, match="not of step 3"):
        opened.restore_newest(like, refuse)
    assert opened.steps() == [1, 2, 3]


@pytest.mark.parametrize("place", ["file", "link to itself", "link to nothing"])
def test_a_place_that_is_no_folder_is_told(tmp_path, place):
    folder = tmp_path / "checkpoints"
    if place == "file":
        folder.write_text("mine")
    else:
        folder.symlink_to("checkpoints" if place == "link to itself" else tmp_path / "gone" / "checkpoints")
    with pytest.raises(UserError, match=r"checkpoints cannot be kept in .*; it must be a folder"):
        Checkpoints(tmp_path, "tiny", keep=1)
    assert place != "file" or folder.read_text() == "mine"


def test_a_folder_that_may_not_be_read_is_told(tmp_path, opened, monkeypatch):
    def barred(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoints.Path, "iterdir", barred)
    with pytest.raises(UserError, match=r"checkpoints cannot be kept in .*: Permission denied"):
        Checkpoints(tmp_path, "tiny", keep=1)
    with pytest.raises(UserError, match=r"the checkpoints in .* cannot be read: Permission denied"):
        weights.load(tmp_path)


@pytest.mark.parametrize("taken", ["gone", "file"])
def test_a_folder_that_is_taken_away_while_a_run_writes_is_told(tmp_path, like, monkeypatch, taken):
    kept = Checkpoints(tmp_path, "tiny", keep=1)
    shutil.rmtree(tmp_path / "checkpoints")
    if taken == "file":
        (tmp_path / "checkpoints").write_text("mine")
    for error in (ValueError("No ArrayMetadata found"), NotADirectoryError(20, "Not a directory")):
        monkeypatch.setattr(kept._manager, "save", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        with pytest.raises(
            UserError, match=r"cannot write a checkpoint to .*: it is no folder any more; ear"
        ):
            kept.save(filled(like, 1), 1, meta(1))
