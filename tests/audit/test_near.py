import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from planted import SIDE, pictures

from ferjax.audit.near import CORRELATION, DISTANCE, near_pairs, own_part, perceptual_hashes
from ferjax.data.fingerprints import pixel_hash, thumbnail


def compressed(image):
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0]).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))[..., None]


def resized(image):
    small = Image.fromarray(image[:, :, 0]).resize((18, 18), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR))[..., None]


def noisy(image):
    noise = np.random.default_rng(1).normal(0, 6, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def darker(image):
    return (image * 0.8).astype(np.uint8)


def thumbnails(images):
    return np.stack([thumbnail(image) for image in images])


def slow_pairs(small):
    """Every picture against every other."""
    hashes = [int(value) for value in perceptual_hashes(own_part(small))]
    flat = small.reshape(len(small), -1).astype(float)
    flat = [(row - row.mean()) / np.linalg.norm(row - row.mean()) for row in flat]
    own = [row - np.mean(flat, axis=0) for row in flat]

    def alike(i, j):
        return (own[i] @ own[j] + 0.02) / np.sqrt((own[i] @ own[i] + 0.02) * (own[j] @ own[j] + 0.02))

    return [
        (i, j)
        for i, j in itertools.combinations(range(len(small)), 2)
        if (hashes[i] ^ hashes[j]).bit_count() <= DISTANCE and alike(i, j) >= CORRELATION
    ]


@pytest.mark.parametrize("change", [compressed, resized, noisy, darker])
def test_a_changed_copy_is_found(change):
    images = pictures(40)
    changed = np.stack([change(image) for image in images])
    pairs = near_pairs(thumbnails(np.concatenate([images, changed])))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    missed = {(i, i + 40) for i in range(40)} - found
    assert len(missed) <= 2
    assert found <= {(i, i + 40) for i in range(40)}
    assert pairs.complete


@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), strength=st.floats(0, 40))
@settings(deadline=None, max_examples=30)
def test_bands_find_what_comparing_all_finds(seed, count, strength):
    draws = np.random.default_rng(seed)
    images = pictures(-(-count // 4), seed)[draws.integers(0, -(-count // 4), count)]
    small = thumbnails((images + draws.normal(0, strength, images.shape)).clip(0, 255).astype(np.uint8))
    pairs = near_pairs(small)
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == slow_pairs(small)


def test_a_set_of_nothing_but_copies_ends_and_says_that_it_is_cut():
    pairs = near_pairs(np.repeat(thumbnails(pictures(1)), 500, axis=0), most=1000)
    assert not pairs.complete
    assert len(pairs.first) > 500


def test_no_pictures_have_no_pairs():
    assert not len(near_pairs(np.empty((0, 16, 16), np.uint8)).first)


def test_pictures_with_much_in_common_are_told_apart():
    # As aligned faces are: correlated at 0.9 and more, and each another.
    images = pictures(200).astype(float)
    common = images.mean(0) * 4
    faces = (60 + (common - common.mean()) + 0.12 * (images - images.mean((1, 2), keepdims=True))).clip(
        0, 255
    )
    small = thumbnails(faces.astype(np.uint8))
    assert np.median(np.corrcoef(small.reshape(200, -1))) > 0.85
    assert not len(near_pairs(small).first)
    small = np.concatenate([small, thumbnails((faces[:50] * 0.9 + 5).astype(np.uint8))])
    assert near_pairs(small).first.tolist() == list(range(50))


def test_the_hash_knows_neither_brightness_nor_contrast():
    small = thumbnails(pictures(60)).astype(float)
    one, other = (perceptual_hashes(own_part(part)) for part in (small, 0.5 * small + 30))
    assert np.bitwise_count(one ^ other).max() <= 1  # a rounding at the median
    assert len(np.unique(one)) == 60


def test_pixels_and_shape_make_the_pixel_hash():
    image = np.arange(48, dtype=np.uint8)
    hashes = {pixel_hash(image.reshape(shape)) for shape in ((4, 4, 3), (4, 12, 1), (12, 4, 1), (1, 16, 3))}
    assert len(hashes) == 4
    changed = image.copy()
    changed[-1] ^= 1
    assert pixel_hash(changed.reshape(4, 4, 3)) not in hashes
    view = np.asfortranarray(image.reshape(4, 4, 3))
    assert pixel_hash(view) in hashes


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_are_means(channels):
    image = np.random.default_rng(0).integers(0, 256, (32, 64, channels), dtype=np.uint8)
    grey = image @ [0.299, 0.587, 0.114] if channels == 3 else image[:, :, 0]
    means = grey.reshape(16, 2, 16, 4).mean((1, 3))
    assert np.abs(thumbnail(image) - means).max() <= 1.5
