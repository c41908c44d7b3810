"""A checkpoint of 2026-11-29 stays readable, by ferjax and by the API that Orbax will have next.

`python tests/runs/stored_checkpoint/test_stored_checkpoint.py` writes `checkpoint.tar.xz` anew. Orbax 0.12.8
has the next API under `experimental.v1`; docs/scaling.md says why ferjax does not use it yet.
"""

import dataclasses
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint.experimental.v1 as ocp
import pytest
import tiny
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from ferjax.runs.checkpoints import Checkpoints, Damaged

ARCHIVE = Path(__file__).with_name("checkpoint.tar.xz")
META = {"best_step": 3, "best": {"loss": 0.1}, "note": "ü"}


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    """Arrays of every kind that a training state has."""

    step: Any
    params: Any
    rng: Any
    ema: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        return {"params": self.params}


def state() -> State:
    numbers = jnp.arange(24, dtype=jnp.float32) / 7
    params = {"fc": {"kernel": numbers.reshape(4, 6), "bias": numbers[:4].astype(jnp.bfloat16)}}
    return State(jnp.int32(3), params, jax.random.key(5))


def like(sharding) -> State:
    def shape(leaf):
        split = sharding(leaf) if callable(sharding) else sharding
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=split)

    return jax.tree.map(shape, jax.eval_shape(state))


def one_device() -> State:
    return like(SingleDeviceSharding(jax.devices()[0]))


@pytest.fixture
def stored(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def assert_state(arrays: dict[str, Any]):
    expected = state()
    wanted = {"step": expected.step, "params": expected.params, "rng": expected.rng}
    tiny.assert_same(tiny.plain_tree({name: arrays[name] for name in wanted}), tiny.plain_tree(wanted))
    assert arrays["rng"].dtype == expected.rng.dtype
    assert arrays["params"]["fc"]["bias"].dtype == jnp.bfloat16


def test_it_is_small():
    assert ARCHIVE.stat().st_size < 8 * 1024


def test_ferjax_reads_it(stored):
    checkpoints = Checkpoints(stored, "tiny", keep=1)
    restored, meta = checkpoints.restore(3, one_device())
    checkpoints.close()
    assert_state(vars(restored))
    assert {name: meta[name] for name in META} == META


def test_the_next_api_of_orbax_reads_it_bit_for_bit_and_onto_other_devices(stored):
    path = stored / "checkpoints" / "3"
    assert ocp.is_orbax_checkpoint(path)
    mesh = Mesh(np.array(jax.devices()).reshape(-1, 1), ("data", "fsdp"))
    whole = NamedSharding(mesh, PartitionSpec())
    for wanted in (one_device(), like(whole)):
        shapes = {name: value for name, value in vars(wanted).items() if value is not None}
        found = ocp.load_checkpointables(path, {"state": shapes, "meta": None})
        assert_state(found["state"])
        assert {name: found["meta"][name] for name in META} == META
        assert found["state"]["step"].sharding == shapes["step"].sharding


def test_ferjax_cannot_read_what_the_next_api_of_orbax_writes(stored, tmp_path):
    """Why ferjax does not use it: a run could not go back. Once this fails, docs/scaling.md is to change."""
    checkpoints = Checkpoints(stored, "tiny", keep=1)
    restored, meta = checkpoints.restore(3, one_device())
    checkpoints.close()
    tree = {name: value for name, value in vars(restored).items() if value is not None}
    with ocp.training.Checkpointer(tmp_path / "other" / "checkpoints") as writer:
        writer.save_checkpointables(3, {"state": tree, "meta": meta})
    other = Checkpoints(tmp_path / "other", "tiny", keep=1)
    assert other.steps() == [3]
    with pytest.raises(Damaged, match="meta/metadata not found"):  # its JSON has another name
        other.restore(3, one_device())
    other.close()


def write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), "tiny", keep=1)
        checkpoints.save(state(), 3, META)
        checkpoints.close()
        with tarfile.open(ARCHIVE, "w:xz") as archive:
            archive.add(Path(folder) / "checkpoints", "checkpoints")


if __name__ == "__main__":
    write()
