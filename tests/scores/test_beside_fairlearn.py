"""Scores by group beside fairlearn's, on the same answers."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from ferjax.scores import group_gaps, groups
from ferjax.scores.group_fairness import fairness

fairlearn = pytest.importorskip("fairlearn.metrics")
CLASSES = 4
NAMES = ("a", "b", "c")


@pytest.fixture
def answers():
    """Labels, log-probabilities and groups of 900 examples; the groups differ in size and score."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 900)
    codes = rng.choice(len(NAMES), 900, p=(0.5, 0.3, 0.2))
    logits = rng.normal(size=(900, CLASSES)) + (2.0 - 0.6 * codes)[:, None] * np.eye(CLASSES)[labels]
    return labels, logits - np.log(np.exp(logits).sum(-1, keepdims=True)), codes


def test_each_groups_scores_and_gaps_are_fairlearns(answers):
    labels, logs, codes = answers
    measured = groups.measure(labels, logs, {"group": (codes, NAMES)})["attributes"]["group"]
    frame = fairlearn.MetricFrame(
        metrics={
            "accuracy": sklearn_metrics.accuracy_score,
            "mean_class_accuracy": sklearn_metrics.balanced_accuracy_score,
            "macro_f1": lambda actual, said: sklearn_metrics.f1_score(actual, said, average="macro"),
            "images": fairlearn.count,
        },
        y_true=labels,
        y_pred=logs.argmax(-1),
        sensitive_features=np.array(NAMES)[codes],
    )
    for group in measured["groups"]:
        theirs = frame.by_group.loc[group["name"]]
        assert group["images"] == theirs["images"]
        for score in group_gaps.SCORES:
            assert group[score] == pytest.approx(theirs[score])
    difference = frame.difference(method="between_groups")
    for score in group_gaps.SCORES:
        gap = measured["gaps"][score]
        assert gap["gap"] == pytest.approx(difference[score])
        assert gap["high"] == frame.by_group[score].astype(float).idxmax()
        assert gap["low"] == frame.by_group[score].astype(float).idxmin()


@pytest.mark.parametrize("positive", range(CLASSES))
def test_fairness_of_each_class_is_fairlearns(answers, positive):
    labels, logs, codes = answers
    measured = groups.measure(labels, logs, {"group": (codes, NAMES)})["attributes"]["group"]
    ours = measured["fairness"]
    asked = {
        "y_true": labels == positive,
        "y_pred": logs.argmax(-1) == positive,
        "sensitive_features": codes,
    }
    assert ours["demographic_parity"][positive] == pytest.approx(
        fairlearn.demographic_parity_difference(**asked)
    )
    assert ours["equal_opportunity"][positive] == pytest.approx(
        fairlearn.equal_opportunity_difference(**asked)
    )
    assert ours["equalized_odds"][positive] == pytest.approx(fairlearn.equalized_odds_difference(**asked))


def test_fairness_leaves_out_what_a_group_has_no_examples_for():
    matrices = np.array([[[5, 5], [0, 0]], [[10, 0], [0, 0]]])  # nobody shows the second class
    gaps = fairness(matrices)
    assert gaps["equal_opportunity"] == [0.5, None]
    assert gaps["demographic_parity"] == [0.5, 0.5]
    assert gaps["equalized_odds"][1] == pytest.approx(0.5)  # the false positives alone
