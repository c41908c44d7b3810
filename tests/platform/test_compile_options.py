"""Programs that run once are compiled with less effort, to the same numbers; steps sooner, or for overlap."""

from importlib import metadata
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import tiny

from ferjax.cluster.mesh import make_mesh
from ferjax.platform import compile_options
from ferjax.platform.compile_options import (
    OLDER_FUSIONS,
    TRIED_ON_CPU,
    compiled_to_run_once,
    compiled_to_train,
)


@pytest.fixture
def optimising():
    """Compiles as for training, which the tests otherwise do not; the mesh that is compiled for."""
    with tiny.optimised():
        yield make_mesh(tiny.tiny_configuration().mesh)


@pytest.mark.skipif(metadata.version("jaxlib") not in TRIED_ON_CPU, reason="not tried with this version")
def test_less_effort_gives_the_same_random_numbers(optimising, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")  # in which the tests ask for it everywhere

    def draw(key):
        return jax.random.normal(key, (16, 64)) * 0.1

    key = jax.random.key(3)
    options = compiled_to_run_once(optimising)
    assert options.keys() == {OLDER_FUSIONS, "xla_backend_optimization_level"}
    usual = jax.jit(draw, compiler_options={OLDER_FUSIONS: True})
    np.testing.assert_array_equal(jax.jit(draw, compiler_options=options)(key), usual(key))


def test_no_level_is_asked_for_where_less_is_asked_for_already(optimising):
    assert "xla_backend_optimization_level" in compiled_to_run_once(optimising)
    jax.config.update("jax_disable_most_optimizations", True)
    assert "xla_backend_optimization_level" not in (compiled_to_run_once(optimising) or {})


@pytest.mark.parametrize("options_for", [compiled_to_run_once, compiled_to_train])
def test_cpus_compile_fusions_the_older_way_where_it_was_tried_and_nothing_else_is_chosen(
    optimising, options_for, monkeypatch
):
    monkeypatch.setenv("XLA_FLAGS", "")
    version = compile_options.TRIED_ON_CPU[0]
    monkeypatch.setattr(compile_options.metadata, "version", lambda package: version)
    assert options_for(mesh_of("cpu", 2))[OLDER_FUSIONS] is False
    assert OLDER_FUSIONS not in (options_for(mesh_of("tpu", 1)) or {})
    monkeypatch.setenv("XLA_FLAGS", f"--{OLDER_FUSIONS}=true")
    assert OLDER_FUSIONS not in (options_for(mesh_of("cpu", 2)) or {})
    monkeypatch.setenv("XLA_FLAGS", "")
    version = "99.0"
    assert OLDER_FUSIONS not in (options_for(mesh_of("cpu", 2)) or {})


@pytest.mark.skipif(metadata.version("jaxlib") not in TRIED_ON_CPU, reason="not tried with this version")
def test_a_step_is_compiled_with_it(optimising, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    options = compiled_to_train(optimising)
    assert options == {OLDER_FUSIONS: False}
    assert jax.jit(lambda x: jax.numpy.square(x) * 2, compiler_options=options)(3.0) == 18


def mesh_of(platform: str, count: int) -> Any:
    devices = np.array([SimpleNamespace(platform=platform)] * count)
    return SimpleNamespace(devices=devices, size=count)


def test_only_several_tpus_exchange_beside_work(monkeypatch):
    versions = {"libtpu": compile_options.TRIED[0]}
    monkeypatch.setattr(compile_options.importlib.util, "find_spec", versions.get)
    monkeypatch.setattr(compile_options.metadata, "version", versions.get)
    assert compiled_to_train(mesh_of("gpu", 4)) is None
    assert compiled_to_train(mesh_of("tpu", 1)) is None
    options = compiled_to_train(mesh_of("tpu", 4))
    assert options is not None
    assert options["xla_enable_async_all_reduce"] == "ENABLED"
    versions["libtpu"] = "99.0"
    assert compiled_to_train(mesh_of("tpu", 4)) is None
    versions.clear()
    assert compiled_to_train(mesh_of("tpu", 4)) is None
