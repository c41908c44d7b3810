"""Augmentations by `augment.extra`: what holds of each, their definitions, and a user's own functions."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmentation import group, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ferjax.augment import augment, extra
from ferjax.augment.draws import Draws
from ferjax.errors import UserError
from ferjax.interop.torchvision import torchvision_models
from ferjax.registry import AUGMENTATIONS

torchvision_models()  # before anything else of torchvision is imported
import torch  # noqa: E402
from torchvision.transforms import functional  # noqa: E402

OWN = """
import jax
import jax.numpy as jnp
from ferjax.registry import augmentation


@augmentation("upside_down")
def upside_down(keys, images, strength):
    chosen = jax.vmap(jax.random.uniform)(keys) < strength
    return jnp.where(chosen[:, None, None, None], images[:, ::-1], images)


def brighter(keys, images, strength):
    return images + 255 * strength


def smaller(keys, images, strength):
    return images[:, :4]


def whole(keys, images, strength):
    return images.astype(jnp.int32)


def failing(keys, images, strength):
    return images @ jnp.zeros((5, 5))


number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module `own_augmentation` in the current folder."""
    (tmp_path / "own_augmentation.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_augmentation", raising=False)
    with AUGMENTATIONS.restored():
        yield


def keys_of(rows, seed=0):
    return jax.random.split(jax.random.key(seed), rows)


def changed(name, images, strength, keys=None):
    """A registered augmentation alone, on float images; each image's key is the same in every batch."""
    function = AUGMENTATIONS.find(name).target
    keys = keys_of(len(images)) if keys is None else keys
    return np.asarray(function(keys, jnp.asarray(images, jnp.float32), strength))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_type_and_range_are_kept_and_little_strength_is_no_change(name, channels):
    images = pictures(channels=channels)
    for strength in (1e-5, 1.0):
        found = np.asarray(augment(jax.random.key(0), images, group(extra=f"{name}={strength}")))
        assert (found.dtype, found.shape) == (np.uint8, images.shape)
        if strength < 1:
            assert np.abs(found.astype(int) - images).max() <= 1
        else:
            assert all((one != other).mean() > 0.5 for one, other in zip(found, images, strict=True))
    assert changed(name, images, 1.0).dtype == np.float32


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), strength=st.floats(0.01, 1.0))
@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_an_image_does_not_depend_on_the_others(name, seed, strength):
    images, keys = pictures(rows=4, height=8, width=9), keys_of(4, seed)
    whole = changed(name, images, strength, keys)
    part = changed(name, np.concatenate([images[2:], 255 - images[:1]]), strength, keys[jnp.array([2, 3, 0])])
    np.testing.assert_allclose(part[:2], whole[2:], rtol=1e-5, atol=1e-3)


def test_noise_has_the_drawn_deviation():
    images = np.full((200, 24, 24, 3), 100.0)
    noise = changed("gaussian_noise", images, 0.1) - images
    deviations = noise.std(axis=(1, 2, 3))
    assert deviations.max() < 25.5 * 1.1
    # Uniform: mean and deviation of the 200 within three standard errors and the noise of each.
    assert abs(deviations.mean() - 12.75) < 3 * 7.36 / 200**0.5
    assert abs(deviations.std() - 7.36) < 1
    assert np.abs(noise.mean(axis=(1, 2, 3))).max() < 4 * 25.5 / (24 * 24 * 3) ** 0.5
    assert abs(np.corrcoef(noise[:, 0, 0, 0], noise[:, 0, 0, 1])[0, 1]) < 0.3


def test_blur_is_scipys():
    images, keys = pictures(rows=5), keys_of(5)
    found = changed("gaussian_blur", images, 0.2, keys)
    for image, key, mine in zip(images, keys, found, strict=True):
        deviation = float(jax.random.uniform(key, maxval=0.2 * 20))
        options = {"sigma": (deviation, deviation, 0), "mode": "constant", "truncate": 20}
        # Outside of the image there is nothing, and it has no weight.
        expected = gaussian_filter(image.astype(float), **options) / gaussian_filter(
            np.ones(image.shape), **options
        )
        np.testing.assert_allclose(mine, expected, atol=0.02)


def test_gamma_is_torchvisions():
    images = pictures(rows=40)
    images[:, 0, 0, 0], images[:, 0, 0, 1], images[:, 0, 0, 2] = 100, 0, 255
    found = changed("gamma", images, 0.7)
    powers = np.log(found[:, 0, 0, 0] / 255) / np.log(100 / 255)
    assert 0.5 < np.abs(np.log(powers)).max() <= 0.7001
    assert 10 < (powers > 1).sum() < 30
    for image, power, mine in zip(images, powers, found, strict=True):
        pixels = torch.from_numpy(image).permute(2, 0, 1).double() / 255
        expected = 255 * functional.adjust_gamma(pixels, float(power)).permute(1, 2, 0).numpy()
        np.testing.assert_allclose(mine, expected, atol=0.05)


def test_they_come_after_tone_and_before_erasing_in_the_order_of_the_text(own):
    images = np.full((8, 10, 10, 3), 100, np.uint8)
    lighter, darker = "own_augmentation:brighter=1.0", "own_augmentation:upside_down=1.0"
    key = jax.random.key(0)
    white = np.asarray(augment(key, images, group(brightness=0.9, extra=lighter)))
    assert (white == 255).all()
    erased = np.asarray(augment(key, images, group(erase=1.0, extra=f"{lighter},{darker}")))
    rectangles = (erased != 255).any(axis=3)
    assert rectangles.any(axis=(1, 2)).all()
    assert not rectangles.all(axis=(1, 2)).any()
    half = np.zeros((1, 2, 1, 3), np.uint8)
    half[:, 0] = 40
    first = augment(key, half, group(extra="gamma=1.0,own_augmentation:brighter=0.5"))
    second = augment(key, half, group(extra="own_augmentation:brighter=0.5,gamma=1.0"))
    assert (np.asarray(first) != np.asarray(second)).any()


def test_the_draws_of_one_do_not_depend_on_the_others():
    images = pictures()
    alone = np.asarray(augment(jax.random.key(1), images, group(extra="gaussian_noise=0.2")))
    after = np.asarray(augment(jax.random.key(1), images, group(extra="gamma=0.000001,gaussian_noise=0.2")))
    assert np.abs(alone.astype(int) - after).max() <= 1
    other = np.asarray(augment(jax.random.key(2), images, group(extra="gaussian_noise=0.2")))
    assert (alone != other).mean() > 0.5


def test_streams_of_names_differ_and_leave_the_numbered_ones_alone():
    draws = Draws(jax.random.key(0), 3)
    taken = {jax.random.key_data(draws.keys(stream)).tobytes() for stream in (1, 2)}
    streams = []

    def spy(keys, images, strength):
        streams.append(jax.random.key_data(keys).tobytes())
        return images

    with AUGMENTATIONS.replaced("first", spy, None), AUGMENTATIONS.replaced("second", spy, None):
        extra.apply_extra(draws, jnp.zeros((3, 2, 2, 1)), "first=1,second=1")
    assert len({*streams} | taken) == 4


def test_a_registered_one_of_the_users_own_is_known_by_both_names(own):
    images = pictures()
    by_path = augment(jax.random.key(0), images, group(extra="own_augmentation:upside_down=1.0"))
    by_name = augment(jax.random.key(0), images, group(extra="upside_down=1.0"))
    np.testing.assert_array_equal(by_path, images[:, ::-1])
    np.testing.assert_array_equal(by_name, images[:, ::-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gama=1", "unknown augmentation 'gama'; the nearest are gamma"),
        ("gamma", "in augment.extra, 'gamma' is not NAME=STRENGTH with a strength above 0"),
        ("gamma=", "is not NAME=STRENGTH"),
        ("gamma=much", "'gamma=much' is not NAME=STRENGTH"),
        ("gamma=0", "a strength above 0"),
        ("gamma=-1", "a strength above 0"),
        ("gamma=nan", "a strength above 0"),
        ("gamma=inf", "a strength above 0"),
        ("gamma=1,gaussian_blur=0.1,gamma=2", "'gamma' comes twice"),
        ("no_such_package:f=1", "cannot import 'no_such_package'"),
        ("own_augmentation:bright=1", "own_augmentation has no 'bright' .*; it has brighter"),
        ("own_augmentation:number=1", "augmentation 'own_augmentation:number' is not a function"),
        (
            "own_augmentation:smaller=1",
            r"own_augmentation:smaller gives \(\(6, 4, 24, 3\), 'float32'\); it must .* \(\(6, 20, 24",
        ),
        ("own_augmentation:whole=1", "gives .*'int32'.*; it must give what it takes"),
        ("own_augmentation:failing=1", r"failing fails on images \(6, 20, 24, 3\): TypeError"),
    ],
)
def test_bad_text_and_functions_are_refused_in_one_line(own, text, message):
    with pytest.raises(UserError, match=message) as error:
        augment(jax.random.key(0), pictures(), group(extra=text))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 400


def test_spaces_and_nothing_are_fine():
    assert extra.parse("") == extra.parse(" , ") == ()
    assert [found.strength for found in extra.parse(" gamma = 0.5 , gaussian_blur=1e-2,")] == [0.5, 0.01]
