"""The warp against PIL's affine transform and NumPy, one image at a time."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmentation import draws, group, pictures
from PIL import Image

from ferjax.augment import crops, geometry, randaugment

MARGIN = 40  # of repeated border, so that PIL never leaves the image


def pil_affine(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """PIL's bilinear transform of one image by a map in pixels from the centre."""
    height, width, _ = image.shape
    padded = Image.fromarray(np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge"))
    (a, b, c), (d, e, f) = np.asarray(matrix, np.float64)
    # PIL maps corners of pixels, in pixels from the upper left corner of the image.
    x, y = width / 2, height / 2
    coefficients = (a, b, c - a * x - b * y + x + MARGIN, d, e, f - d * x - e * y + y + MARGIN)
    moved = padded.transform((width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(moved)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"rotate": 30.0},
        {"scale": 0.3},
        {"shear": 20.0},
        {"random_crop": 0.4},
        {"rotate": 30.0, "scale": 0.2, "shear": 10.0, "translate": 0.15, "random_crop": 0.1, "flip": True},
    ],
)
def test_the_warp_is_pils(fields):
    images = pictures(rows=5)
    flips = jnp.array([True, False, True, False, False]) if fields.get("flip") else None
    matrices = np.asarray(geometry.sampling_matrices(draws(5), flips, 20, 24, group(**fields)))
    assert np.abs(matrices - np.eye(2, 3)).max() > 0.1  # it does something
    warped = np.asarray(geometry.warp(images, matrices))
    for image, matrix, found in zip(images, matrices, warped, strict=True):
        expected = pil_affine(image, matrix).astype(float)
        # PIL rounds; both may lie on either side of a half.
        np.testing.assert_allclose(found, expected, atol=1.01)


def test_a_turn_is_a_turn_in_degrees():
    images = pictures(rows=5, height=21, width=21)
    matrices = np.asarray(geometry.sampling_matrices(draws(5), None, 21, 21, group(rotate=30.0)))
    for image, matrix in zip(images, matrices, strict=True):
        degrees = math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))
        assert 0 < abs(degrees) <= 30
        padded = Image.fromarray(np.pad(image, ((20, 20), (20, 20), (0, 0)), mode="edge"))
        turned = np.asarray(padded.rotate(-degrees, Image.Resampling.BILINEAR))[20:-20, 20:-20].astype(float)
        np.testing.assert_allclose(geometry.warp(image[None], matrix[None])[0], turned, atol=1.01)


def test_draws_stay_within_their_limits():
    many = draws(500)
    config = group(rotate=25.0)
    turns = np.asarray(geometry.sampling_matrices(many, None, 48, 48, config))
    degrees = np.rad2deg(np.arctan2(turns[:, 0, 1], turns[:, 0, 0]))
    assert degrees.min() < -23 < 23 < degrees.max()
    assert abs(degrees).max() <= 25
    sizes = 1 / np.asarray(geometry.sampling_matrices(many, None, 48, 48, group(scale=0.2)))[:, 0, 0]
    assert 0.8 <= sizes.min() < 0.82 < 1.18 < sizes.max() <= 1.2001
    shifts = np.asarray(geometry.sampling_matrices(many, None, 40, 80, group(translate=0.1)))[:, :, 2]
    np.testing.assert_array_equal(shifts, shifts.round())
    assert set(np.unique(shifts[:, 0])) == set(range(-8, 9))
    assert set(np.unique(shifts[:, 1])) == set(range(-4, 5))
    cropped = np.asarray(geometry.sampling_matrices(many, None, 41, 41, group(random_crop=0.5)))
    side, place = cropped[:, 0, 0], np.abs(cropped[:, :, 2]).max(axis=1)
    assert 0.5 <= side.min() < 0.52 < 0.98 < side.max() <= 1
    assert (place <= 20 * (1 - side) + 1e-4).all()  # the crop lies in the image
    assert (place > 19.5 * (1 - side)).any()


@pytest.mark.slow
def test_randaugment_moves_by_what_it_draws():
    config = group(randaugment=1, randaugment_magnitude=5.0)
    matrices = np.asarray(geometry.sampling_matrices(draws(400), None, 40, 80, config), np.float64)
    half = {"x": round(0.5 * randaugment.TRANSLATE * 80), "y": round(0.5 * randaugment.TRANSLATE * 40)}
    turn = math.radians(15)
    shown = []
    for way in (-1, 1):
        rows = [[math.cos(turn), way * math.sin(turn), 0], [-way * math.sin(turn), math.cos(turn), 0]]
        shown += [rows, [[1, way * 0.15, 0], [0, 1, 0]], [[1, 0, 0], [way * 0.15, 1, 0]]]
        shown += [[[1, 0, way * half["x"]], [0, 1, 0]], [[1, 0, 0], [0, 1, way * half["y"]]]]
    shown.append(np.eye(2, 3))  # identity and the operations of tone
    which = [int(np.abs(np.array(shown) - matrix).max(axis=(1, 2)).argmin()) for matrix in matrices]
    np.testing.assert_allclose(matrices, np.array(shown, float)[which], atol=1e-5)
    shares = np.bincount(which, minlength=11) / 400
    # Ten ways of geometry, 1 / 18 each, and four operations of nine that move nothing.
    assert np.abs(shares[:10] - 1 / 18).max() < 0.04
    assert abs(shares[10] - 4 / 9) < 0.08


@pytest.mark.slow
def test_several_operations_of_randaugment_are_pils_one_after_the_other():
    images = pictures(rows=8)
    config = group(randaugment=3, randaugment_magnitude=4.0)
    matrices = np.asarray(geometry.sampling_matrices(draws(8), None, 20, 24, config))
    shifts = {name: np.asarray(values) for name, values in randaugment.pick(draws(8), 3, 4.0).shifts.items()}
    for row, matrix in enumerate(matrices):
        strength = {name: float(values[row]) for name, values in shifts.items()}
        turn = math.radians(30 * strength["rotate"])
        steps = [
            [[1, 0, round(strength["translate_x"] * 150 / 331 * 24)], [0, 1, 0], [0, 0, 1]],
            [[1, 0, 0], [0, 1, round(strength["translate_y"] * 150 / 331 * 20)], [0, 0, 1]],
            [[1, -0.3 * strength["shear_x"], 0], [0, 1, 0], [0, 0, 1]],
            [[1, 0, 0], [-0.3 * strength["shear_y"], 1, 0], [0, 0, 1]],
            [[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]],
        ]
        whole = np.eye(3)
        for step in steps:
            whole = np.array(step) @ whole
        np.testing.assert_allclose(matrix, whole[:2], atol=1e-4)
        warped = geometry.warp(images[row : row + 1], matrix[None])[0]
        np.testing.assert_allclose(warped, pil_affine(images[row], matrix).astype(float), atol=1.01)


def test_no_strength_is_no_change():
    images = pictures()
    identity = np.tile(np.eye(2, 3, dtype=np.float32), (6, 1, 1))
    np.testing.assert_array_equal(geometry.warp(images, identity), images)
    np.testing.assert_array_equal(geometry.warp(images, identity, np.zeros((6, 20, 24, 2))), images)


def test_flipping_twice_is_no_change_and_the_warp_flips_the_same():
    images = pictures()
    which = jnp.array([True, False] * 3)
    once = geometry.flip(images, which)
    np.testing.assert_array_equal(once[0], images[0][:, ::-1])
    np.testing.assert_array_equal(once[1], images[1])
    np.testing.assert_array_equal(geometry.flip(once, which), images)
    matrices = geometry.sampling_matrices(draws(), which, 20, 24, group(flip=True))
    np.testing.assert_array_equal(geometry.warp(images, matrices), once)


def test_moving_by_whole_pixels_blurs_nothing():
    image = pictures(rows=1)
    matrix = np.array([[[1, 0, 3], [0, 1, -2]]], np.float32)  # shows what lies 3 to the right and 2 above
    moved = np.asarray(geometry.warp(image, matrix))[0]
    np.testing.assert_array_equal(moved[2:, :-3], image[0][:-2, 3:])
    np.testing.assert_array_equal(moved[0], moved[1])  # the border goes on
    np.testing.assert_array_equal(moved[:, -1], moved[:, -4])


def slow_spline(control: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A uniform cubic B-spline by de Boor's matrix, one place at a time."""
    basis = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6
    values = []
    for place in places:
        start = min(int(place), len(control) - 4)
        t = place - start
        values.append(np.array([1, t, t**2, t**3]) @ basis @ control[start : start + 4])
    return np.array(values)


def test_elastic_displacements_are_a_bounded_spline():
    weights = geometry.spline_weights(33)
    control = np.random.default_rng(0).normal(size=geometry.ELASTIC_POINTS + 2)
    places = np.linspace(0, geometry.ELASTIC_POINTS - 1, 33)
    np.testing.assert_allclose(weights @ control, slow_spline(control, places), atol=1e-5)
    field = np.asarray(geometry.elastic_field(draws(40), 20, 30, 0.1))
    assert field.shape == (40, 20, 30, 2)
    assert 1 < np.abs(field[..., 0]).max() <= 3
    assert 0.7 < np.abs(field[..., 1]).max() <= 2
    assert np.abs(np.diff(field, axis=2)).max() < 0.6  # neighbours move together


def test_elastic_moves_each_pixel_by_its_displacement():
    image = pictures(rows=1)
    field = np.zeros((1, 20, 24, 2), np.float32)
    field[0, 4, 5] = (2.5, 1.0)
    moved = np.asarray(geometry.warp(image, np.eye(2, 3, dtype=np.float32)[None], field))[0]
    expected = image[0].astype(float)
    expected[4, 5] = image[0][5, 7:9].astype(float).mean(axis=0)
    np.testing.assert_allclose(moved, expected, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [48, 64, 256])
def test_sizes(size):
    images = pictures(rows=1, height=size, width=size)
    turned = geometry.warp(images, np.array([[[0, 1, 0], [-1, 0, 0]]], np.float32))  # a quarter
    np.testing.assert_allclose(turned[0], np.rot90(images[0], -1), atol=0.02)


def test_random_crops_are_squares_of_the_image():
    images = pictures(rows=30, height=9, width=10)
    cut = np.asarray(crops.random_crop(jax.random.key(0), images, 7))
    assert cut.shape == (30, 7, 7, 3)
    places = set()
    for image, found in zip(images, cut, strict=True):
        at = [
            (y, x) for y in range(3) for x in range(4) if np.array_equal(image[y : y + 7, x : x + 7], found)
        ]
        places.update(at)
        assert len(at) == 1
    assert {y for y, _ in places} == {0, 1, 2}
    assert {x for _, x in places} == {0, 1, 2, 3}
    assert crops.random_crop(jax.random.key(0), images[:, :, :9], 9) is not None


@pytest.mark.parametrize(("kind", "count"), crops.VIEWS.items())
def test_views(kind, count):
    images = pictures(rows=2, height=10, width=12)
    found = crops.views(images, 8, kind)
    corners = [(1, 2), (0, 0), (0, 4), (2, 0), (2, 4)] if kind in crops.CORNERED else [(1, 2)]
    assert len(found) == count
    for index, view in enumerate(found):
        y, x = corners[index % len(corners)]
        expected = images[:, y : y + 8, x : x + 8]
        np.testing.assert_array_equal(view, expected[:, :, ::-1] if index >= len(corners) else expected)
