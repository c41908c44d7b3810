"""Masked auto-encoding: positions, patches, orders, counts, and what the encoder must not see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax import models
from ferjax.errors import UserError
from ferjax.layers.positions import sin_cos
from ferjax.models import mae

SMALL = {"patch": 4, "width": 16, "depth": 1, "heads": 2}


def auto_encoder(ratio=0.75, **options):
    vit = models.create("vit_s16", **{**SMALL, **options})
    return mae.masked(vit, ratio, decoder_width=8, decoder_depth=1, decoder_heads=2)


def test_positions_are_sines_and_cosines_of_columns_and_rows():
    rows, columns, width = 3, 5, 16
    expected = [np.zeros(width)]
    for row in range(rows):
        for column in range(columns):
            values = []
            for place in (column, row):
                angles = [place / 10_000 ** (i / (width // 4)) for i in range(width // 4)]
                values += [np.sin(a) for a in angles] + [np.cos(a) for a in angles]
            expected.append(np.array(values))
    np.testing.assert_allclose(sin_cos(rows, columns, width)[0], expected, atol=1e-7)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_patches_put_together_are_the_image(batch, rows, columns, patch):
    images = np.random.default_rng(0).normal(size=(batch, rows * patch, columns * patch, 3))
    cut = mae.patches(jnp.asarray(images), patch)
    assert cut.shape == (batch, rows * columns, patch * patch * 3)
    last = images[:, -patch:, -patch:].reshape(batch, -1)
    np.testing.assert_array_equal(cut[:, -1], last.astype(np.float32))
    np.testing.assert_array_equal(mae.unpatched(cut, patch, rows * patch), images.astype(np.float32))


def test_orders_are_permutations_that_hide_every_patch_alike():
    orders = np.asarray(mae.random_order(jax.random.key(0), 400, 16))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(16), (400, 1)))
    mask = np.asarray(mae.hidden(jnp.asarray(orders), 4))
    np.testing.assert_array_equal(mask.sum(1), np.full(400, 12))
    for order, row in zip(orders, mask, strict=True):
        assert set(order[:4]) == set(np.flatnonzero(row == 0))
    assert np.abs(mask.mean(0) - 0.75).max() < 0.1  # a standard deviation is 0.022


def test_guesses_depend_on_what_is_shown_alone():
    model = auto_encoder()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    order = np.stack([rng.permutation(16) for _ in range(2)]).astype(np.int32)
    variables = jax.jit(model.init)(jax.random.key(0), images)
    apply = jax.jit(lambda images: model.apply(variables, images, order=order))
    gone = np.asarray(mae.hidden(jnp.asarray(order), 4)).reshape(2, 4, 4).repeat(4, 1).repeat(4, 2)[..., None]
    guessed = apply(images)
    np.testing.assert_array_equal(guessed, apply(np.where(gone > 0, 9.0, images)))
    assert np.abs(guessed - apply(np.where(gone > 0, images, images + 1))).max() > 1e-3
    assert guessed.shape == (2, 16, 48)


def test_the_loss_is_that_of_hidden_patches():
    rng = np.random.default_rng(0)
    values, guessed = rng.normal(2, 3, size=(2, 6, 12)), rng.normal(size=(2, 6, 12))
    mask = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]], np.float32)
    wanted = mae.targets(jnp.asarray(values), normalised=True)
    np.testing.assert_allclose(wanted.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(np.var(wanted, axis=-1, ddof=1), 1, rtol=1e-4)
    loss = mae.reconstruction_loss(jnp.asarray(guessed), wanted, jnp.asarray(mask))
    for i in range(2):
        errors = [np.mean((guessed[i, j] - wanted[i, j]) ** 2) for j in range(6) if mask[i, j]]
        np.testing.assert_allclose(loss[i], np.mean(errors), rtol=1e-5)
    np.testing.assert_array_equal(
        mae.targets(jnp.asarray(values), normalised=False), values.astype(np.float32)
    )


def test_parameters_are_those_of_the_authors():
    """Their mae_vit_base_patch16, both fixed positions included."""
    model = mae.masked(models.create("vit_b16"), 0.75, 512, 8, 16)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3))))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 111_907_840
    vit = models.create("vit_b16")
    encoder = jax.eval_shape(lambda: vit.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3))))["params"]
    shared = encoder.keys() & shapes.keys()
    assert encoder.keys() - shared == {"fc_norm", "head"}
    assert all(
        jax.tree.map(jnp.shape, encoder[name]) == jax.tree.map(jnp.shape, shapes[name]) for name in shared
    )
    assert all(name.startswith((*mae.DECODER, "norm")) for name in shapes.keys() - shared)
    assert model.layer_of("decoder_blocks_0/mlp/fc1/kernel") == 13
    assert model.layer_of("blocks_0/mlp/fc1/kernel") == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mae.masked(models.create("fer_cnn"), 0.75, 8, 1, 2),
            "FERCNN is none: set model.name to vit",
        ),
        (lambda: mae.masked(models.create("vit_s16"), 0.75, 10, 1, 3), "decoder_heads 3 does not divide"),
        (lambda: mae.masked(models.create("vit_s16"), 0.75, 6, 1, 2), "decoder_width is 6; masked auto"),
        (lambda: auto_encoder(width=18), r"model\.width is 18; masked auto-encoding needs a multiple of 4"),
        (
            lambda: mae.visible(4, 0.9),
            "with pretrain.mask_ratio 0.9 none of an image's 4 patches would be seen",
        ),
        (lambda: mae.visible(0, 0.5), "none of an image's 0 patches"),
    ],
)
def test_what_cannot_be_masked(make, message):
    with pytest.raises(UserError, match=message):
        make()
