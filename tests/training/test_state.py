import jax
import jax.numpy as jnp
import numpy as np
import optax
import tiny

from ferjax.training import state

TX = optax.sgd(0.1, momentum=0.9)


def make(seed=0, ema=True):
    return state.create(tiny.TinyNet(), TX, (8, 8, 3), seed, ema)


def test_the_first_state():
    first = make()
    assert (first.step.dtype, int(first.step), float(first.lr_scale)) == (jnp.int32, 0, 1.0)
    floats = jax.tree.leaves((first.params, first.batch_stats, first.opt_state, first.ema))
    assert {leaf.dtype for leaf in floats} == {jnp.dtype("float32")}
    average = {"params": first.params, "batch_stats": first.batch_stats}
    tiny.assert_same(tiny.plain_tree(first.ema), tiny.plain_tree(average))
    assert set(first.batch_stats) == {"bn1"}


def test_the_average_is_a_copy_that_survives_donation():
    first = make()
    jax.tree.map(lambda leaf: leaf.delete(), first.params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(first.ema))


def test_evaluation_uses_the_average_if_there_is_one():
    averaged, plain = make(), make(ema=False)
    assert averaged.variables is averaged.ema
    assert plain.ema is None
    assert plain.variables == {"params": plain.params, "batch_stats": plain.batch_stats}


def test_a_network_without_batch_statistics():
    shapes = jax.eval_shape(lambda: state.create(tiny.TinyNet(norm=False), TX, (8, 8, 3), 0, True))
    assert shapes.batch_stats == {}
    assert shapes.ema == {"params": shapes.params, "batch_stats": {}}


def test_the_seed_decides_the_weights_and_the_key():
    tiny.assert_same(tiny.plain_tree(make(7)), tiny.plain_tree(make(7)))
    one, other = tiny.plain_tree(make(1)), tiny.plain_tree(make(2))
    for name in (".params['conv1']['kernel']", ".params['fc']['kernel']", ".rng"):
        assert not np.array_equal(one[name], other[name])
