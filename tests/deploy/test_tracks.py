"""Faces of a video keep their numbers, and means over time are what the formula says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import cbook
from PIL import Image

from ferjax.deploy.face import Face
from ferjax.deploy.tracks import Smoother, Tracks, look, overlap

coordinate = st.integers(0, 40)


@st.composite
def boxes(draw):
    left, top = draw(coordinate), draw(coordinate)
    return left, top, left + draw(st.integers(1, 30)), top + draw(st.integers(1, 30))


@settings(deadline=None)
@given(boxes(), boxes())
def test_overlap_counts_pixels(first, second):
    def covered(box):
        left, top, right, bottom = box
        mask = np.zeros((80, 80), bool)
        mask[top:bottom, left:right] = True
        return mask

    both, either = covered(first) & covered(second), covered(first) | covered(second)
    assert overlap(first, second) == pytest.approx(both.sum() / either.sum())


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=12),
    st.floats(0.05, 5),
    st.integers(0, 2**32 - 1),
)
def test_smoothing_is_the_formula_whatever_the_distances(gaps, seconds, seed):
    times = np.cumsum(gaps)
    said = np.random.default_rng(seed).dirichlet(np.ones(4), len(times)).astype(np.float32)
    smoother = Smoother(seconds)
    for now in range(len(times)):
        found = smoother.smooth(7, times[now], said[now])
        weights = np.exp((times[: now + 1] - times[now]) / seconds)
        expected = (weights[:, None] * said[: now + 1]).sum(0) / weights.sum()
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.sum() == pytest.approx(1, abs=1e-5)


def test_faces_are_smoothed_apart():
    smoother, first, second = Smoother(1.0), np.float32([1, 0]), np.float32([0, 1])
    smoother.smooth(1, 0.0, first)
    np.testing.assert_array_equal(smoother.smooth(2, 0.1, second), second)


def test_without_seconds_nothing_is_smoothed():
    smoother, said = Smoother(0.0), np.float32([0.25, 0.75])
    smoother.smooth(1, 0.0, np.float32([1, 0]))
    assert smoother.smooth(1, 0.0, said) is said


def square(x, y=0, side=20):
    return (x, y, x + side, y + side)


def person(number):
    """A look that is like nobody else's."""
    return np.eye(8, dtype=np.float32)[number]


def test_numbers_stay_while_faces_move_past_each_other_in_the_list():
    tracks, (a, b, c) = Tracks(), map(person, range(3))
    assert tracks.follow(0.0, [square(0), square(100)], [a, b]) == [1, 2]
    assert tracks.follow(0.1, [square(95), square(5)], [b, a]) == [2, 1]
    assert tracks.follow(0.2, [square(10), square(200), square(90)], [a, c, b]) == [1, 3, 2]


def test_a_face_is_known_by_its_place_for_a_second_whatever_it_looks_like():
    tracks = Tracks()
    assert tracks.follow(0.0, [square(0)], [person(0)]) == [1]
    assert tracks.follow(0.5, [], []) == []
    assert tracks.follow(0.9, [square(3)], [person(1)]) == [1]
    assert tracks.follow(2.5, [square(3)], [person(2)]) == [2]


def test_a_face_that_returns_elsewhere_is_known_by_its_look():
    tracks = Tracks()
    assert tracks.follow(0.0, [square(0), square(100)], [person(0), person(1)]) == [1, 2]
    assert tracks.follow(9.0, [square(300), square(500)], [person(1), person(2)]) == [2, 3]
    assert tracks.follow(99.0, [square(0)], [person(0)]) == [1]
    # Of two that look like the same person only one can be.
    assert sorted(tracks.follow(199.0, [square(0), square(99)], [person(1), person(1)])) == [2, 4]


def test_a_face_that_comes_in_from_the_side_is_known_when_it_is_whole():
    tracks = Tracks()
    tracks.follow(0.0, [square(50)], [person(0)])
    half = (person(0) + 2 * person(1)) / np.sqrt(5)
    assert tracks.follow(5.0, [square(0)], [half]) == [2]
    assert tracks.follow(5.1, [square(4)], [person(0)]) == [1]
    assert tracks.follow(5.2, [square(8)], [half]) == [1]
    assert tracks.follow(9.0, [square(90), square(0)], [person(2), half]) == [3, 4]
    assert tracks.follow(9.9, [square(90)], [person(3)]) == [3]
    # Who was there for longer keeps the number whatever it looks like.
    assert tracks.follow(10.1, [square(90)], [person(0)]) == [3]


def test_frames_that_are_far_apart_are_followed():
    tracks = Tracks(every=5.0)
    assert tracks.follow(0.0, [square(0)], [person(0)]) == [1]
    assert tracks.follow(5.0, [square(2)], [person(1)]) == [1]


def test_two_boxes_are_never_one_face():
    tracks, alike = Tracks(), [person(0), person(0)]
    tracks.follow(0.0, [square(0)], alike[:1])
    assert sorted(tracks.follow(0.1, [square(1), square(2)], alike)) == [1, 2]
    assert tracks.follow(0.2, [square(1)], alike[:1]) == [1]


def test_people_leave_and_return_at_another_size_light_and_place(astronaut):
    with cbook.get_sample_data("grace_hopper.jpg") as file:  # public domain, shipped with Matplotlib
        hopper = np.asarray(Image.open(file).convert("RGB"))
    people = [
        (astronaut, Face((178, 63, 267, 175), 0.9, ((200, 102), (243, 106)))),
        (hopper, Face((182, 121, 353, 332), 0.9, ((224, 189), (308, 193)))),
    ]
    tracks, rng = Tracks(), np.random.default_rng(0)
    for time, shown in enumerate(([0], [0, 1], [1], [], [1], [0, 1], [], [0])):
        boxes, looks = [], []
        for number in shown:
            image, face = people[number]
            light = image * rng.uniform(0.7, 1.2) + rng.normal(0, 5, image.shape)
            left, top, right, bottom = np.array(face.box) + rng.normal(0, 3, 4)
            looks.append(
                look(light.clip(0, 255).astype(np.uint8), face._replace(box=(left, top, right, bottom)))
            )
            boxes.append(square(rng.integers(0, 1000), rng.integers(0, 1000), rng.integers(40, 200)))
        assert tracks.follow(10.0 * time, boxes, looks) == [number + 1 for number in shown]
