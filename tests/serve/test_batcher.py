"""Faces of several requests, computed together by one thread."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.inference.classifier import Answers
from ferjax.serve.batcher import Batcher


def means(images):
    """A network whose answers show which face they are of."""
    values = images.reshape(len(images), -1).mean(1, dtype=np.float32)
    return Answers(np.stack([values, 255 - values], 1), values[:, None] * [1, -1], values > 99)


class Held:
    """A network that waits until it may compute; it stores what it was asked."""

    def __init__(self):
        self.may, self.asked, self.batches = threading.Event(), threading.Event(), []

    def __call__(self, images):
        self.batches.append(len(images))
        self.asked.set()
        assert self.may.wait(60)
        return means(images)


def faces(*values):
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=5), max_size=12), st.integers(1, 6))
def test_everybody_gets_the_own_answers(requests, most):
    network = Batcher(means, most, 0.001)
    futures = [network.submit(faces(*request)) for request in requests]
    for request, future in zip(requests, futures, strict=True):
        answers = future.result(60)
        np.testing.assert_array_equal(answers.probabilities[:, 0], request)
        np.testing.assert_array_equal(answers.affect[:, 1], -np.array(request))
        np.testing.assert_array_equal(answers.unlike, np.array(request) > 99)
    network.close()


def test_what_comes_while_it_computes_is_computed_together():
    held, seen = Held(), []
    network = Batcher(held, 4, 0.0, lambda count, seconds: seen.append(count))
    first = network.submit(faces(1))
    assert held.asked.wait(60)
    others = [network.submit(faces(value)) for value in range(6)]
    held.may.set()
    network.close()
    assert first.done()
    assert all(other.done() for other in others)
    assert held.batches == seen == [1, 4, 2]


def test_an_answer_that_nobody_waits_for_is_not_computed():
    held = Held()
    network = Batcher(held, 4, 0.0)
    network.submit(faces(1))
    assert held.asked.wait(60)
    given_up, wanted = network.submit(faces(2)), network.submit(faces(3))
    assert given_up.cancel()
    held.may.set()
    assert wanted.result(60).probabilities[0, 0] == 3
    network.close()
    assert held.batches == [1, 1]


def test_a_failure_is_that_batch_s_alone():
    def fails_on_zero(images):
        if not images.any():
            raise MemoryError
        return means(images)

    network = Batcher(fails_on_zero, 1, 0.0)
    with pytest.raises(MemoryError):
        network.submit(faces(0)).result(60)
    assert network.submit(faces(7)).result(60).probabilities[0, 0] == 7
    assert not network.is_stuck(60)
    network.close()


def test_a_thread_that_hangs_or_has_ended_is_told():
    held = Held()
    network = Batcher(held, 1, 0.0)
    assert not network.is_stuck(0)
    network.submit(faces(1))
    assert held.asked.wait(60)
    assert network.is_stuck(0)
    assert not network.is_stuck(1000)
    held.may.set()
    network.close()
    assert network.is_stuck(1000)
