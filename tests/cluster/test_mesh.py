import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import mesh_steps
import numpy as np
import pytest
import tiny
from jax.sharding import AbstractMesh, AxisType
from ml_collections import ConfigDict

from ferjax.cluster import join, mesh
from ferjax.errors import UserError


@pytest.fixture(scope="module")
def eight_devices(tmp_path_factory):
    """What `mesh_steps.py` finds on eight devices for some cases, by case; each process is asked once."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "8", "JAX_PLATFORMS": "cpu"}

    @functools.cache
    def of(*cases):
        path = tmp_path_factory.mktemp("eight") / "found.npz"
        done = subprocess.run(
            [sys.executable, str(tiny.HERE / "mesh_steps.py"), str(path), *cases],
            env=environment, capture_output=True, text=True, timeout=tiny.LONGEST,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = {case: {} for case in cases}
        with np.load(path) as stored:
            for key in stored:
                case, _, name = key.partition("/")
                found[case][name] = stored[key]
        return found

    return of


# Those that one process computes; the others have one of their own.
TOGETHER = tuple(case for case, (*_, fields) in mesh_steps.CASES.items() if fields != mesh_steps.MASKED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        (1, {}),
        (2, mesh_steps.PAIRED),
        (1, mesh_steps.METHODS),
        pytest.param(2, mesh_steps.MASKED, marks=pytest.mark.relative),
        (1, mesh_steps.CONTRASTIVE),
    ],
)
def test_eight_devices_are_one(eight_devices, parts, fields):
    one = mesh_steps.trained(1, parts, **fields)
    cases = [
        case for case, (_, *given) in mesh_steps.CASES.items()
        if given in ([parts, fields], [parts, fields | mesh_steps.GATHERED])
    ]  # fmt: skip
    found = eight_devices(*(TOGETHER if {*cases} <= {*TOGETHER} else cases))
    for case in cases:
        eight = found[case]
        assert eight.keys() == one.keys()
        for name in one.keys() - {"placed"}:
            exact = one[name].dtype.kind in "iu" or name.endswith(("count", "correct"))
            # The statistics of a batch are sums over devices: another order of adding.
            tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-6}
            np.testing.assert_allclose(eight[name], one[name], **tolerance, err_msg=f"{case} {name}")


@pytest.mark.slow
def test_fsdp_splits_the_weights(eight_devices):
    found = eight_devices(*TOGETHER)
    assert set(found["data"]["placed"]) == {"()"}
    longest_last = {"()", "(None, None, None, 'fsdp')", "('fsdp',)"}
    assert set(found["methods, fsdp 2"]["placed"]) == longest_last
    assert set(found["two parts, fsdp 4"]["placed"]) == longest_last
    assert set(found["gathered once, fsdp 4"]["placed"]) == longest_last


def abstract_mesh(data, fsdp):
    return AbstractMesh((data, fsdp), ("data", "fsdp"), axis_types=(AxisType.Auto, AxisType.Auto))


def test_the_batch_must_divide():
    mesh.check_batch(16, 1, abstract_mesh(8, 1), "train.batch_size")
    mesh.check_batch(32, 2, abstract_mesh(4, 2), "train.batch_size")
    for size, parts, words in ((12, 1, "8 devices; it must be a multiple of 8, for example 8"),
                               (24, 2, "8 devices and 2 accumulation steps; it must be a multiple of 16"),
                               (3, 1, "for example 8")):  # fmt: skip
        with pytest.raises(UserError, match=f"^train.batch_size {size} cannot be divided over .*{words}"):
            mesh.check_batch(size, parts, abstract_mesh(4, 2), "train.batch_size")


def test_the_mesh_is_of_all_devices():
    assert dict(mesh.make_mesh(ConfigDict({"data": -1, "fsdp": 1})).shape) == {"data": 1, "fsdp": 1}
    for data, fsdp in ((2, 1), (-1, 2), (1, 3)):
        with pytest.raises(UserError, match=r"devices, but there are 1; set mesh.data to -1"):
            mesh.make_mesh(ConfigDict({"data": data, "fsdp": fsdp}))


@dataclasses.dataclass(frozen=True)
class Device:
    """What a mesh is arranged by."""

    id: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "cpu"


@pytest.mark.parametrize(("hosts", "chips", "fsdp"), [(2, 4, 1), (2, 4, 2), (2, 4, 4), (4, 2, 4), (4, 1, 2)])
def test_hosts_come_one_after_the_other_and_fsdp_groups_are_neighbours(monkeypatch, hosts, chips, fsdp):
    devices = [Device(number, number // chips) for number in range(hosts * chips)]
    monkeypatch.setattr(mesh, "Mesh", lambda grid, *_, **__: grid)
    grid = mesh.make_mesh(ConfigDict({"data": -1, "fsdp": fsdp}), devices[::-1])
    assert grid.shape == (hosts * chips // fsdp, fsdp)
    order = [device.process_index for device in grid.ravel()]
    assert order == sorted(order)  # a process's rows of the batch lie together
    assert {device.id for device in grid.ravel()} == set(range(hosts * chips))
    assert all(len({device.process_index for device in row}) == max(fsdp // chips, 1) for row in grid)


def test_an_fsdp_group_does_not_cut_a_process():
    devices = [Device(number, number // 4) for number in range(12)]
    with pytest.raises(
        UserError, match=r"mesh\.fsdp 6 does not fit 3 processes of 4 devices: it must divide 4"
    ):
        mesh.make_mesh(ConfigDict({"data": -1, "fsdp": 6}), devices)


def test_the_rule_is_told_with_its_effect():
    tree = {
        "split": jax.ShapeDtypeStruct((8, 64), jnp.float32),
        "whole": jax.ShapeDtypeStruct((64,), jnp.float32),
    }
    where = abstract_mesh(2, 4)
    like = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree, mesh.state_shardings(tree, where),
    )  # fmt: skip
    told = mesh.describe_sharding(like, where)
    assert "split over fsdp=4 along their longest divisible axis: 1 of 2 arrays, 88.9% of" in told


def test_weights_are_split_along_their_longest_divisible_axis():
    shapes = {
        "vector": (64,), "scalar": (), "matrix": (8, 64), "conv": (3, 3, 16, 32), "odd": (9, 7),
        "one": (64, 7), "equal": (8, 8),
    }  # fmt: skip
    tree = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    specs = {name: tuple(s.spec) for name, s in mesh.state_shardings(tree, abstract_mesh(2, 4)).items()}
    assert specs == {
        "vector": (), "scalar": (), "odd": (), "matrix": (None, "fsdp"), "one": ("fsdp",), "equal": ("fsdp",),
        "conv": (None, None, None, "fsdp"),
    }  # fmt: skip
    whole = mesh.state_shardings(tree, abstract_mesh(8, 1))
    assert all(tuple(s.spec) == () for s in whole.values())


def test_a_process_alone_needs_nothing_and_halves_of_the_flags_are_refused():
    with join.processes():
        pass
    for arguments in ({"coordinator": "127.0.0.1:1"}, {"count": 2, "index": 0}, {"index": 0}, {"count": 1}):
        with (
            pytest.raises(UserError, match="need all of --coordinator, --processes and --process"),
            join.processes(**arguments),
        ):
            pass
