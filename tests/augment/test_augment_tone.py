"""Tone against PIL and colorsys, one image or pixel at a time; erasing against its definition."""

import colorsys

import numpy as np
import pytest
from augmentation import draws, group, pictures
from PIL import Image, ImageEnhance

from ferjax.augment import erasing, randaugment, tone
from ferjax.augment.normalisation import IMAGENET_MEAN

FACTORS = np.array([0.0, 0.4, 1.0, 1.3, 1.9, 0.8], np.float32)


@pytest.mark.parametrize(
    ("function", "enhancer"),
    [
        (tone.brightness, ImageEnhance.Brightness),
        (tone.contrast, ImageEnhance.Contrast),
        (tone.saturation, ImageEnhance.Color),
    ],
)
def test_tone_is_pils(function, enhancer):
    images = pictures()
    found = np.asarray(function(images.astype(np.float32), FACTORS))
    for image, factor, mine in zip(images, FACTORS, found, strict=True):
        expected = np.asarray(enhancer(Image.fromarray(image)).enhance(float(factor)), float)
        # PIL works with whole numbers: the mean, the grey image and the result are cut or rounded.
        np.testing.assert_allclose(mine, expected, atol=1.6)
    np.testing.assert_allclose(found[2], images[2], atol=1e-3)  # factor 1
    assert found.min() >= 0
    assert found.max() <= 255


def test_hue_is_colorsys():
    images = pictures(rows=5, height=7, width=7)
    images[0, 0, 0] = (80, 80, 80)  # no hue at all
    images[0, 0, 1] = (200, 200, 10)  # two channels equal
    images[0, 0, 2] = (10, 200, 200)
    images[0, 0, 3] = (200, 10, 200)
    turns = np.array([0.0, 0.5, 0.25, -0.1, 1 / 3], np.float32)
    found = np.asarray(tone.hue(images.astype(np.float32), turns))
    for image, turn, mine in zip(images, turns, found, strict=True):
        for pixel, got in zip(image.reshape(-1, 3), mine.reshape(-1, 3), strict=True):
            h, s, v = colorsys.rgb_to_hsv(*(pixel / 255.0))
            np.testing.assert_allclose(
                got, 255 * np.array(colorsys.hsv_to_rgb((h + turn) % 1, s, v)), atol=1e-2
            )
    np.testing.assert_allclose(found[0], images[0], atol=1e-3)
    np.testing.assert_allclose(tone.hue(images.astype(np.float32), 0 * turns + 1), images, atol=1e-2)


def test_grey_images_have_three_equal_channels_of_pils_luma():
    images = pictures(rows=40)
    found = np.asarray(tone.colour(draws(40), images.astype(np.float32), group(grey=0.5)))
    grey = [np.ptp(image, axis=2).max() < 1e-3 for image in found]
    assert 8 < sum(grey) < 32
    for is_grey, image, mine in zip(grey, images, found, strict=True):
        if is_grey:
            np.testing.assert_allclose(
                mine[..., 0], np.asarray(Image.fromarray(image).convert("L")), atol=0.51
            )
        else:
            np.testing.assert_allclose(mine, image, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_an_erased_rectangle(channels):
    images = np.zeros((300, 30, 40, channels), np.float32)
    found = np.asarray(erasing.erase(draws(300), images, 0.6))
    covered = found.any(axis=3)
    erased = covered.any(axis=(1, 2))
    assert 0.5 < erased.mean() < 0.7
    areas, middles = [], []
    for image, mask in zip(found[erased], covered[erased], strict=True):
        y, x = np.nonzero(mask)
        height, width = np.ptp(y) + 1, np.ptp(x) + 1
        assert height * width == len(y)  # one rectangle, filled
        mean = 255 * np.array(IMAGENET_MEAN)
        np.testing.assert_allclose(
            image[mask], np.tile(mean if channels == 3 else mean.mean(), (len(y), 1)), 1e-5
        )
        areas.append(len(y) / mask.size)
        middles.append((y.mean(), x.mean()))
    assert min(areas) > 0.01
    assert max(areas) < 0.23
    assert np.std(middles, axis=0).min() > 4  # anywhere


@pytest.mark.slow
def test_randaugment_tones_by_what_it_draws():
    images = pictures(rows=60)
    config = group(randaugment=2, randaugment_magnitude=5.0)
    found = np.asarray(tone.colour(draws(60), images.astype(np.float32), config))
    factors = {key: np.asarray(f) for key, f in randaugment.pick(draws(60), 2, 5.0).factors.items()}
    enhancers = {"brightness": "Brightness", "contrast": "Contrast", "saturation": "Color"}
    for row, (image, mine) in enumerate(zip(images, found, strict=True)):
        expected = Image.fromarray(image)
        for name, enhancer in enhancers.items():
            expected = getattr(ImageEnhance, enhancer)(expected).enhance(float(factors[name][row]))
        np.testing.assert_allclose(mine, np.asarray(expected, float), atol=4)  # PIL rounds each time
        if all(factor[row] == 1 for factor in factors.values()):
            np.testing.assert_array_equal(mine, image)
    # Not drawn, drawn once, or twice either way.
    values = {round(float(value), 4) for factor in factors.values() for value in factor}
    assert {0.55, 1.0, 1.45} <= values <= {0.3025, 0.55, 0.7975, 1.0, 1.45, 2.1025}


def test_probabilities_0_and_1():
    images = pictures().astype(np.float32)
    np.testing.assert_array_equal(erasing.erase(draws(), images, 0.0), images)
    assert (np.asarray(erasing.erase(draws(), images, 1.0)) != images).any(axis=(1, 2, 3)).all()
