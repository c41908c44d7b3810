"""A run goes on only with the data set that it began with."""

import numpy as np
import pytest

from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.runs import set_record

NAMES = ("angry", "happy", "sad")


def split(name, labels, label_names=NAMES, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 4, 4, 1), np.uint8)
    return MemorySource(images, np.array(labels), label_names=label_names, name="faces", split=name)


def recorded(train=(0, 1, 2, 0), label_names=NAMES, test_seed=0):
    return set_record.record(
        [split("train", train, label_names), split("test", (0, 1), label_names, test_seed)]
    )


def earlier(record):
    """The meta of a version that kept the classes and digests in other places, and no counts."""
    return {
        "label_names": record["label_names"],
        "trained_on": [{"data": {}, "split_digests": {"train": record["digests"]["train"]}}],
    }


def test_the_same_set_goes_on():
    now = recorded()
    for meta in ({"set": now}, earlier(now), {}, {"label_names": None, "trained_on": []}):
        set_record.check(meta, now, "faces")


@pytest.mark.parametrize("form", [lambda record: {"set": record}, earlier])
@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (recorded(label_names=("angry", "sad", "happy")), "class 1 was 'happy', is 'sad'; class 2 was 'sad'"),
        (recorded(label_names=("angry", "happy", "blue")), "class 2 was 'sad', is 'blue'"),
        (recorded(label_names=(*NAMES, "fear")), "it had 3 classes, has 4"),
        (recorded(train=(1, 0, 2, 0)), "images or labels of train are others"),
    ],
)
def test_another_set_is_refused(form, now, reason):
    with pytest.raises(UserError) as caught:
        set_record.check(form(recorded()), now, "faces")
    assert reason in str(caught.value)
    assert "put it back as it was, or take another --workdir" in str(caught.value)


def test_counts_and_the_test_split_are_compared():
    before = {"set": recorded()}
    with pytest.raises(UserError, match="train had 4 images, has 3"):
        set_record.check(before, recorded(train=(0, 1, 2)), "faces")
    with pytest.raises(UserError, match="images or labels of test are others"):
        set_record.check(before, recorded(test_seed=1), "faces")


def test_valence_and_arousal_are_compared_where_they_are_learnt():
    def values(*numbers):
        source = split("train", (0, 1, 2))
        source.affect = np.float32([numbers] * 3)
        return set_record.record([source])

    before = {"set": values(0.5, np.nan)}
    set_record.check(before, values(0.5, np.nan), "faces")
    with pytest.raises(UserError, match="valence or arousal of train are others"):
        set_record.check(before, values(0.5, 0.1), "faces")
    set_record.check({"set": set_record.record([split("train", (0, 1, 2))])}, values(0.5, 0.1), "faces")


def test_the_message_is_short_for_many_classes():
    before, now = ({"label_names": [c * 200] * 300, "examples": {}, "digests": {}} for c in "ab")
    with pytest.raises(UserError) as caught:
        set_record.check({"set": before}, now, "faces")
    assert len(str(caught.value)) <= 330
