"""Resizing gives the bytes of PIL and of OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.images import decode, encode_png
from ferjax.data.resize import FILTERS, resize

SIDES = st.integers(1, 90)


def noise(height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.sampled_from([1, 3]), SIDES, st.integers(0, 99))
@example(96, 96, 3, 48, 0)  # exactly halved, which OpenCV does in another way
@example(48, 48, 1, 64, 0)
@example(1, 1, 3, 7, 0)
def test_opencv(height, width, channels, size, seed):
    image = noise(height, width, channels, seed)
    expected = cv2.resize(image, (size, size)).reshape(size, size, channels)
    np.testing.assert_array_equal(resize(image, size, "opencv"), expected, strict=True)


@settings(max_examples=50, deadline=None)
@given(SIDES, SIDES, st.sampled_from([1, 3]), SIDES)
def test_pil(height, width, channels, size):
    image = noise(height, width, channels)
    shown = Image.fromarray(image.squeeze(2) if channels == 1 else image)
    expected = np.asarray(shown.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, channels)
    np.testing.assert_array_equal(resize(image, size, "pil"), expected, strict=True)


def test_only_pils_filter_antialiases():
    """Stripes of one pixel become grey, or stay stripes."""
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    spread = {filter: int(np.ptp(resize(stripes, 23, filter)[:, 2:-2])) for filter in FILTERS}
    assert spread["pil"] < 40
    assert spread["opencv"] > 200


@pytest.mark.parametrize("filter", FILTERS)
def test_images_of_the_right_size_are_not_touched(filter):
    image = noise(32, 32, 3)
    np.testing.assert_array_equal(decode(encode_png(image), 32, filter=filter), image)
    assert (decode(encode_png(image), 24, filter=filter) == resize(image, 24, filter)).all()
