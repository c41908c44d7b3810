"""Programs that run once: compiled with less effort, and the same numbers."""

import jax
import numpy as np
import pytest
import tiny

from ferjax.cluster.mesh import make_mesh
from ferjax.platform.compile_options import compiled_to_run_once


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
