"""The Pareto front against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from ferjax.leaderboard.entries import Entry, Score
from ferjax.leaderboard.pareto import COSTS, front, fronts


def entry(name, score, seconds=1.0, parameters=None, device="one"):
    scores = {"accuracy": Score(score, score, score)}
    return Entry(name, "net", (0,), scores, seconds, None, parameters, None, device, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=12))
def test_an_entry_is_on_the_front_unless_another_one_beats_it(points):
    entries = [entry(str(place), score, float(cost)) for place, (score, cost) in enumerate(points)]
    on = front(entries, "accuracy", "seconds")
    assert on
    for place, (score, cost) in enumerate(points):
        better = [
            (s, c) for s, c in points if s >= score and c <= cost and (s, c) != (score, cost)
        ]  # equal in both is not better
        assert (str(place) in on) == (not better)


def test_time_is_compared_on_one_device_alone():
    entries = [entry("fast", 0.9, 1.0, 10, "gpu"), entry("slow", 0.8, 50.0, 20, "cpu")]
    assert front(entries, "accuracy", "seconds") == {"fast", "slow"}
    assert front(entries, "accuracy", "parameters") == {"fast"}


def test_unknown_costs_are_on_no_front():
    entries = [entry("a", 0.9), entry("b", 0.5, parameters=3)]
    assert front(entries, "accuracy", "parameters") == {"b"}
    assert fronts(entries, "accuracy") == {"a": ["seconds"], "b": ["parameters"]}
    assert set(COSTS) == {"seconds", "memory", "parameters", "operations"}
