import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.data.label_spaces import (
    ABSENT,
    BridgedSource,
    bridge,
    meaning,
    positions,
)
from ferjax.data.labels import FER7, FER8
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError

ALPHABETICAL = ("Anger", "Disgust", "Fear", "Joy", "Neutral", "Sadness", "Surprise")
spaces = st.lists(st.sampled_from(FER8), min_size=1, max_size=8, unique=True)


def test_a_name_means_the_same_in_every_spelling():
    assert meaning(" Happiness") == "happy"
    assert meaning("boredom") == "boredom"


def test_positions_go_by_meaning():
    assert positions(ALPHABETICAL, FER7).tolist() == [0, 1, 2, 3, 6, 4, 5]
    assert positions(FER7, ALPHABETICAL).tolist() == [0, 1, 2, 3, 5, 6, 4]
    assert positions(FER8, FER7).tolist() == [0, 1, 2, 3, 4, 5, 6, ABSENT]
    assert positions(FER7, FER8).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_two_classes_of_one_meaning_are_found_by_their_own_names():
    for space in (("joy", "happy"), ("happy", "joy")):
        assert positions(space, space).tolist() == [0, 1]
        assert positions(["Happiness"], space).tolist() == [space.index("happy")]
    assert positions(("boredom", "joy"), FER7).tolist() == [ABSENT, 3]


@given(first=spaces, second=spaces)
def test_there_and_back_is_the_same_place(first, second):
    there, back = positions(first, second), positions(second, first)
    for index, place in enumerate(there):
        assert place == ABSENT or back[place] == index
        assert (place == ABSENT) == (first[index] not in second)


@pytest.mark.parametrize(
    ("model", "target", "present", "merges", "targets", "masked"),
    [
        (FER7, FER7, None, {}, range(7), ()),
        (FER7, FER8, None, {}, [*range(7), ABSENT], ()),
        (FER7, FER8, None, {"contempt": "disgust"}, [*range(7), 1], ()),
        (FER8, FER7, None, {}, range(7), ("contempt",)),
        (FER7, ALPHABETICAL, None, {}, [0, 1, 2, 3, 6, 4, 5], ()),
        (FER7, FER7, np.arange(7) != 6, {}, range(7), ("neutral",)),
        (FER7, ("angry", "contempt"), None, {"contempt": "sad"}, [0, 4],
         ("disgust", "fear", "happy", "surprise", "neutral")),
        # What the set has none of does not open the class that it counts as.
        (FER7, ("angry", "contempt"), np.array([True, False]), {"contempt": "sad"}, [0, 4], FER7[1:]),
    ],
)  # fmt: skip
def test_bridges(model, target, present, merges, targets, masked):
    found = bridge(model, target, present, merges)
    assert found.targets.tolist() == list(targets)
    assert tuple(np.array(model)[~found.allowed]) == tuple(masked)


def test_bridges_that_lead_nowhere():
    with pytest.raises(UserError, match=r"contempt cannot count as calm: the network knows angry, disgust"):
        bridge(FER7, FER8, merges={"contempt": "calm"})
    with pytest.raises(UserError, match=r"contempt cannot count as disgust: the set has only angry, disgust"):
        bridge(FER8, FER7, merges={"contempt": "disgust"})
    with pytest.raises(UserError, match="contempt cannot count as disgust: the network has a class contempt"):
        bridge(FER8, FER8, merges={"contempt": "disgust"})
    with pytest.raises(UserError, match="none in common"):
        bridge(FER7, ("bored", "awake"))
    with pytest.raises(UserError, match="none in common"):
        bridge(FER7, FER7, present=np.zeros(7, bool))


@given(model=spaces, target=spaces, seed=st.integers(0, 1000))
def test_a_bridge_joins_the_classes_that_both_have(model, target, seed):
    present = np.random.default_rng(seed).random(len(target)) < 0.7
    common = {name for name, there in zip(target, present, strict=True) if there} & set(model)
    if not common:
        with pytest.raises(UserError, match="none in common"):
            bridge(model, target, present)
        return
    found = bridge(model, target, present)
    assert {name for name, allowed in zip(model, found.allowed, strict=True) if allowed} == common
    for name, place in zip(target, found.targets, strict=True):
        assert place == (model.index(name) if name in model else ABSENT)


def numbered(labels):
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return MemorySource(images, labels, label_names=FER8, name="numbered", split="test")


def test_a_source_seen_from_another_space():
    source = numbered([7, 6, 0, 7, 3, 7])
    dropped = BridgedSource(source, FER7, bridge(FER7, FER8).targets)
    assert (len(dropped), dropped.dropped) == (3, {"contempt": 3})
    assert dropped.labels.tolist() == [6, 0, 3]
    batch = dropped.take([2, 0])
    assert batch["image"].ravel().tolist() == [4, 1]
    assert (batch["label"].tolist(), batch["label"].dtype) == ([3, 6], np.int32)
    assert (dropped[1]["image"].item(), dropped[1]["label"]) == (2, 0)
    assert dropped.label_names == FER7
    with pytest.raises(IndexError, match="0 … 2"):
        dropped.take([3])
    merged = BridgedSource(source, FER7, bridge(FER7, FER8, merges={"contempt": "disgust"}).targets)
    assert (merged.labels.tolist(), merged.dropped) == ([1, 6, 0, 1, 3, 1], {})
    with pytest.raises(UserError, match="no example of numbered test is of a class that the network knows"):
        BridgedSource(numbered([7, 7]), FER7, bridge(FER7, FER8).targets)
