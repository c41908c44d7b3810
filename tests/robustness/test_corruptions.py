"""Damage does what it says, rises with its strength, and depends on the image and the seed alone."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ferjax.robustness import jpeg
from ferjax.robustness.corruptions import CORRUPTIONS, corrupted

KEY = jax.random.key(0)


def faces(count, channels, size=48):
    """Smooth pictures with some structure."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(60, 200, (count, 16, 16, channels))
    smooth = jax.image.resize(coarse, (count, size, size, channels), "cubic")
    return np.asarray(smooth).round().clip(0, 255).astype(np.uint8)


def damaged(name, strength, images, indices=None, key=KEY):
    indices = np.arange(len(images)) if indices is None else np.asarray(indices)
    return np.asarray(corrupted(name, strength, key, jnp.asarray(indices, jnp.int32), images))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_kind_of_damage_rises_with_its_strength(name):
    images = faces(2, 3)
    change = [np.abs(damaged(name, strength, images).astype(int) - images).mean() for strength in (1, 3, 5)]
    assert 0 < change[0] < change[1] < change[2]


@pytest.mark.parametrize("name", ["gaussian_noise", "hand", "jpeg"])
def test_an_image_is_damaged_alike_in_every_batch(name):
    images = faces(4, 1)
    whole = damaged(name, 3, images, [7, 1, 5, 3])
    assert (whole.dtype, whole.shape) == (np.uint8, images.shape)
    np.testing.assert_array_equal(damaged(name, 3, images[2:3], [5]), whole[2:3])


@pytest.mark.parametrize("name", ["impulse_noise", "side_light", "hand"])
def test_what_is_drawn_follows_image_and_seed(name):
    images = faces(1, 3).repeat(2, 0)
    first, second = damaged(name, 3, images)
    assert (first != second).any()
    assert (damaged(name, 3, images, key=jax.random.key(1)) != damaged(name, 3, images)).any()


def test_light_and_contrast_are_what_their_strength_says():
    images = np.full((1, 8, 8, 1), 100, np.uint8)
    assert (damaged("dark", 2, images) == 50).all()
    assert (damaged("bright", 2, images) == round(100 + 0.3 * 155)).all()
    assert (damaged("low_contrast", 5, images) == 100).all()
    assert set(np.unique(damaged("impulse_noise", 5, images))) == {0, 100, 255}


def test_a_flat_image_keeps_its_value_where_only_sharpness_and_place_change():
    images = np.full((2, 20, 20, 3), 131, np.uint8)
    for name in ("blur", "motion_blur", "resolution", "jpeg"):
        np.testing.assert_allclose(damaged(name, 4, images).astype(int), 131, atol=3 if name == "jpeg" else 1)


def test_covers_lie_where_faces_have_the_part():
    images = faces(1, 1, size=40)
    changed = {name: (damaged(name, 1, images) != images)[0, :, :, 0] for name in ("mask", "glasses")}
    assert changed["mask"][34:].mean() > 0.9
    assert not changed["mask"][:24].any()
    assert changed["glasses"][14:18].any()
    assert not changed["glasses"][26:].any()


@pytest.mark.parametrize("quality", [5, 15, 40])
def test_jpeg_loses_what_pillow_loses(quality):
    image = faces(1, 1, size=32)[0, :, :, 0]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    stored = np.asarray(Image.open(buffer)).astype(int)
    keys = jax.random.split(KEY, 1)
    ours = np.asarray(jpeg.compressed(keys, jnp.asarray(image, jnp.float32)[None, :, :, None], 100 - quality))
    assert np.abs(ours.round().clip(0, 255)[0, :, :, 0] - stored).max() <= 2


@pytest.mark.parametrize("share", [0.2, 0.45])
def test_resolution_is_lost_as_by_resizing(share):
    images = faces(1, 3, size=20).astype(np.float32)
    small = jax.image.resize(images, (1, round(20 * share), round(20 * share), 3), "linear", antialias=True)
    expected = jax.image.resize(small, images.shape, "linear")
    ours = CORRUPTIONS["resolution"].damage(
        jax.random.split(KEY, 1), jnp.asarray(images), jnp.float32(1 - share)
    )
    np.testing.assert_allclose(ours, expected, atol=0.01)
