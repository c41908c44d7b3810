import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.runs.checksum import checksum

DTYPES = ("float32", "bfloat16", "int32", "uint32", "int8", "bool")


def arrays(dtype, shape=(3, 4)):
    return jnp.asarray(np.random.default_rng(0).integers(0, 2, shape), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_has_a_steady_checksum(dtype):
    assert checksum(arrays(dtype)) == checksum(arrays(dtype) + jnp.zeros((), dtype))
    assert 0 <= checksum(arrays(dtype)) < 2**32


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [*DTYPES, "float16", "float64", "int64"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_numpys_arrays_have_the_checksum_of_the_devices(dtype, shape):
    values = np.random.default_rng(2).normal(0, 99, shape)
    on_host = np.asarray(values).astype(jnp.dtype(dtype))
    assert checksum(on_host) == checksum(jnp.asarray(on_host))
    assert checksum(on_host.T) == checksum(jnp.asarray(on_host).T)
    with jax.enable_x64(True):
        assert checksum(on_host) == checksum(jnp.asarray(on_host))


@settings(deadline=None)
@given(place=st.integers(0, 59), bit=st.integers(0, 31))
def test_every_flipped_bit_shows(place, bit):
    words = np.random.default_rng(1).integers(0, 2**32, (3, 4, 5), dtype=np.uint32)
    flipped = words.copy()
    flipped.reshape(-1)[place] ^= np.uint32(1 << bit)
    as_floats = [jnp.asarray(x.view(np.float32)) for x in (words, flipped)]
    assert checksum(as_floats[0]) != checksum(as_floats[1])


def test_order_and_place_count():
    x = jnp.arange(6.0)
    sums = [
        checksum(tree)
        for tree in (
            [x, x + 1], [x + 1, x], [x[::-1], x + 1], [jnp.zeros(6), x + 1], [x.at[0].set(-0.0), x + 1],
        )
    ]  # fmt: skip
    assert len(set(sums)) == len(sums)


def test_typed_keys_scalars_and_empty_trees():
    assert checksum(jax.random.key(0)) != checksum(jax.random.key(1))
    assert checksum(jnp.float32(1)) != checksum(jnp.float32(2))
    assert checksum({}) == 0
    with jax.enable_x64(True):
        wide = jnp.float64(1)
        assert checksum(wide) != checksum(wide + 1e-12)
