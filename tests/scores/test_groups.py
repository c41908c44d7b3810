import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.scores import group_comparison, group_gaps, groups
from ferjax.scores.confusion import accuracy, accuracy_interval, macro_f1, mean_class_accuracy, weighted_f1

CLASSES = 3


def _answers(rng, labels, chance):
    """Log-probabilities of a network that is right with a chance, one an example."""
    right = rng.random(len(labels)) < chance
    predicted = np.where(right, labels, (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES)
    logs = np.full((len(labels), CLASSES), np.log(0.1))
    logs[np.arange(len(labels)), predicted] = np.log(0.8)
    return logs


def _people(rng, count, shares):
    names = [f"group{place}" for place in range(len(shares))]
    return rng.choice(len(shares), count, p=shares), names


def _gaps(labels, logs, attributes):
    """The largest gaps with their corrected p values, as `measure` computes them, without all the rest."""
    gaps = {}
    for name, attribute in attributes.items():
        each = groups.pooled(attribute)
        matrices = groups.confusions(labels, logs.argmax(-1), each, CLASSES)
        gaps[name] = group_gaps.largest_gaps(matrices[~np.array(each.small)])
    return group_gaps.corrected(gaps)


def test_stacked_scores_are_those_of_each_matrix():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 5, (2, 4, 3, 3))
    matrices[0, 0, 1] = 0  # a class without examples
    scores = groups.stacked_scores(matrices)
    for score in (accuracy, mean_class_accuracy, macro_f1, weighted_f1):
        one_by_one = [[score(matrix) for matrix in row] for row in matrices]
        np.testing.assert_allclose(scores[score.__name__], one_by_one, rtol=1e-12)


@pytest.fixture
def few_draws(monkeypatch):
    """What is simulated many times needs no fine p values."""
    monkeypatch.setattr(group_gaps, "RESAMPLES", 300)
    monkeypatch.setattr(group_gaps, "CLASS_RESAMPLES", 300)


def test_a_planted_gap_of_ten_points_is_found(few_draws):
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, CLASSES, 3000)
        people = _people(rng, 3000, (0.5, 0.3, 0.2))
        others = _people(rng, 3000, (0.6, 0.4))
        logs = _answers(rng, labels, np.where(people[0] == 2, 0.7, 0.8))
        gaps = _gaps(labels, logs, {"planted": people, "other": others})
        found += gaps["planted"]["accuracy"].p < 0.05 and gaps["planted"]["accuracy"].low == 2
    assert found >= 36


def test_no_gap_is_claimed_where_there_is_none(few_draws):
    claims = 0
    for seed in range(200):
        rng = np.random.default_rng([1, seed])
        labels = rng.choice(CLASSES, 500, p=(0.6, 0.3, 0.1))
        attributes = {
            "two": _people(rng, 500, (0.5, 0.5)),
            "uneven": _people(rng, 500, (0.1, 0.2, 0.3, 0.4)),
        }
        logs = _answers(rng, labels, 0.8)
        gaps = _gaps(labels, logs, attributes)
        claims += any(gap.p < 0.05 for each in gaps.values() for gap in each.values())
    assert claims <= 10


def test_a_faultless_small_group_is_no_proof():
    """30 of 30 beside 900 of 1,000 happens by chance, though resampling the small group never shows it."""
    matrices = np.array([[[30, 0], [0, 0]], [[900, 100], [0, 0]]])
    gap = group_gaps.largest_gaps(matrices)["accuracy"]
    assert gap.gap == pytest.approx(0.1)
    assert 0.04 < gap.p < 0.2


def test_a_gap_that_comes_from_rare_classes_alone_is_none_of_the_means_over_classes():
    """The second group lacks the difficult class; the network treats both alike."""
    matrices = np.array([[[90, 10, 0], [10, 90, 0], [40, 40, 20]], [[90, 10, 0], [10, 90, 0], [0, 0, 0]]])
    gaps = group_gaps.largest_gaps(matrices)
    assert gaps["mean_class_accuracy"].gap > 0.2
    assert gaps["mean_class_accuracy"].p > 0.5
    assert gaps["accuracy"].p < 0.05  # more of its images are wrong, all the same


def test_equal_groups_and_a_single_one():
    matrix = np.diag([20, 20])
    assert group_gaps.largest_gaps(matrix[None]) == {}
    assert group_gaps.largest_gaps(np.stack([matrix, matrix]))["macro_f1"] == group_gaps.Gap(0, 1, 0.0, 1.0)


def test_small_groups_are_pooled_and_values_sorted_as_people_do():
    codes = np.repeat([0, 1, 2, 3, -1], [40, 5, 50, 6, 9])
    each = groups.pooled((codes, ("20-39", "70+", "4-19", "0-3")), smallest=30)
    assert each.names == ("4-19", "20-39", "others (0-3, 70+)")
    assert each.small == (False, False, True)
    assert np.bincount(each.codes + 1).tolist() == [9, 50, 40, 11]
    alone = groups.pooled((codes, ("20-39", "70+", "4-19", "0-3")), smallest=6)
    assert alone.names == ("0-3", "4-19", "20-39", "70+")
    assert alone.small == (False, False, False, True)


def test_measure_names_groups_pairs_and_what_is_unknown():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 400)
    gender = np.repeat([0, 1, -1], [200, 180, 20])
    attributes = {
        "gender": (gender, ("female", "male")),
        "glasses": (rng.integers(0, 2, 400), ("no", "yes")),
        "species": (np.zeros(400, int), ("human",)),
        "absent": (np.full(400, -1), ()),
    }
    logs = _answers(rng, labels, np.where(gender == 1, 0.4, 0.9))
    found = groups.measure(labels, logs, attributes)
    rows = {row["name"]: row for row in found["attributes"]["gender"]["groups"]}
    assert [(name, row["images"]) for name, row in rows.items()] == [
        ("female", 200), ("male", 180), ("unknown", 20),
    ]  # fmt: skip
    matrix = np.array(rows["female"]["confusion_matrix"])
    assert matrix.sum() == 200
    assert rows["female"]["accuracy"] == accuracy(matrix)
    assert rows["female"]["intervals"]["accuracy"] == list(accuracy_interval(matrix))
    assert rows["female"]["intervals"]["macro_f1"][0] < macro_f1(matrix)
    assert rows["male"]["confidence"] == pytest.approx(0.8)
    low, high = rows["male"]["overconfidence_interval"]
    assert low < rows["male"]["overconfidence"] < high
    assert rows["male"]["overconfidence"] == pytest.approx(0.8 - rows["male"]["accuracy"])
    gap = found["attributes"]["gender"]["gaps"]["accuracy"]
    assert (gap["high"], gap["low"], gap["real"]) == ("female", "male", True)
    assert gap["interval"][0] > 0.3
    assert not found["attributes"]["glasses"]["gaps"]["accuracy"]["real"]
    assert found["attributes"]["species"]["gaps"] == {}  # one group only
    assert found["attributes"]["species"]["fairness"] == {}
    assert [row["name"] for row in found["attributes"]["absent"]["groups"]] == ["unknown"]
    (pair,) = found["pairs"]
    assert pair["attributes"] == ["gender", "glasses"]
    assert {row["name"] for row in pair["groups"]} == {
        "female × no", "female × yes", "male × no", "male × yes", "unknown",
    }  # fmt: skip
    assert pair["gaps"]["accuracy"]["low"].startswith("male")


def test_comparison_of_two_networks_by_group():
    people = (np.repeat([0, 1, 2], [200, 200, 3]), ("a", "b", "c"))
    labels = np.zeros(403, int)
    first = np.tile([0, 1], 202)[:403]
    second = np.where(people[0] == 1, 0, first)
    found = group_comparison.compare(labels, first, second, 2, {"person": people})["person"]
    rows = found["groups"]
    assert [(row["name"], row["difference"], row["small"]) for row in rows] == [
        ("a", 0.0, False), ("b", 0.5, False), ("c", 0.0, True),
    ]  # fmt: skip
    assert rows[0]["p"] == 1.0
    assert rows[1]["p"] < 0.001
    assert rows[2]["p"] is None
    assert rows[1]["first"]["accuracy"] == 0.5
    assert rows[1]["second"]["macro_f1"] == 1.0
    assert found["closes"]["first"] == 0.0
    assert group_comparison.compare(labels, second, first, 2, {"person": people})["person"]["closes"] == {
        "high": "b", "low": "a", "first": 0.5, "second": 0.0, "difference": 0.5,
        "interval": pytest.approx([0.43, 0.57], abs=0.01),
    }  # fmt: skip


def test_attributes_that_are_not_there():
    held = {"gender": 1, "race": 2}
    assert groups.chosen(held, [], "rafdb test") == held
    assert groups.chosen(held, ["race"], "rafdb test") == {"race": 2}
    with pytest.raises(UserError, match="rafdb test has no attribute 'age'; it has gender, race"):
        groups.chosen(held, ["age"], "rafdb test")
    with pytest.raises(UserError, match="it has none"):
        groups.chosen({}, ["age"], "fer2013 test")
