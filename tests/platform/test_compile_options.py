"""Programs that run once are compiled with less effort, to the same numbers; steps on TPUs for overlap."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import tiny

from ferjax.cluster.mesh import make_mesh
from ferjax.platform import compile_options
from ferjax.platform.compile_options import compiled_to_run_once, compiled_to_train


@pytest.fixture
def optimising():
    """Compiles as for training, which the tests otherwise do not; the mesh that is compiled for."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield make_mesh(tiny.tiny_configuration().mesh)
    jax.config.update("jax_disable_most_optimizations", before)


def test_less_effort_gives_the_same_random_numbers(optimising):
    def draw(key):
        return jax.random.normal(key, (16, 64)) * 0.1

    key = jax.random.key(3)
    options = compiled_to_run_once(optimising)
    assert options
    np.testing.assert_array_equal(jax.jit(draw, compiler_options=options)(key), jax.jit(draw)(key))


def test_nothing_is_asked_for_where_less_is_asked_for_already(optimising):
    jax.config.update("jax_disable_most_optimizations", True)
    assert compiled_to_run_once(optimising) is None


def mesh_of(platform: str, count: int) -> Any:
    devices = np.array([SimpleNamespace(platform=platform)] * count)
    return SimpleNamespace(devices=devices, size=count)


def test_only_several_tpus_exchange_beside_work(monkeypatch):
    versions = {"libtpu": compile_options.TRIED[0]}
    monkeypatch.setattr(compile_options.importlib.util, "find_spec", versions.get)
    monkeypatch.setattr(compile_options.metadata, "version", versions.get)
    assert compiled_to_train(mesh_of("cpu", 4)) is None
    assert compiled_to_train(mesh_of("gpu", 4)) is None
    assert compiled_to_train(mesh_of("tpu", 1)) is None
    options = compiled_to_train(mesh_of("tpu", 4))
    assert options is not None
    assert options["xla_enable_async_all_reduce"] == "ENABLED"
    versions["libtpu"] = "99.0"
    assert compiled_to_train(mesh_of("tpu", 4)) is None
    versions.clear()
    assert compiled_to_train(mesh_of("tpu", 4)) is None
