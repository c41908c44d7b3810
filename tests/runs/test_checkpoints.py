import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.runs import checkpoints
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
    with pytest.raises(UserError, match=r"all 3 checkpoints in .* are damaged .* start again with another"):
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
