"""Scores by group of people or pictures: sizes, intervals, confusions, calibration, and which gaps are real.

Pure NumPy. A group is all examples with one value of an attribute, or with one value each of two attributes.
Groups with too few examples for a number of their own are pooled or marked, and never compared.

Is a gap real? If the network treated all groups of an attribute alike, their scores would still differ by
chance. That is simulated from the pooled answers of all groups (a bootstrap under the null hypothesis), and
the gap is compared with the largest of all pairs of groups there, each in units of its own spread, so that
having looked for the largest one is paid for (the single-step method of Westfall & Young, "Resampling-Based
Multiple Testing", 1993, section 2.3). The p values of all attributes and scores are then corrected by Holm's
method.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError, listed
from ferjax.scores.calibration import reliability
from ferjax.scores.confusion import accuracy_interval, stacked_scores
from ferjax.scores.significance import LEVEL, MATRIX_RESAMPLES, Interval, holm, mcnemar

SCORES = ("accuracy", "mean_class_accuracy", "macro_f1")
SMALLEST = (
    30  # examples, below which a share of them says next to nothing: its 95 % interval is 36 points wide
)
UNKNOWN = "unknown"
# Of the null hypothesis. The smallest p value is 1 / (1 + draws), and Holm's method multiplies it by the
# number of tests: of eight attributes, which have 28 pairs, any gap can still be found to be real.
RESAMPLES = 4_000
CLASS_RESAMPLES = 2_000  # each draws whole matrices, which takes longer than shares
# A value for each example: int [N] places in the names, −1 where it is unknown; and the names.
Attribute = tuple[np.ndarray, Sequence[str]]


class Groups(NamedTuple):
    """The groups that an attribute makes of N examples.

    Attributes:
        codes: int64 `[N]`, places in `names`; −1 for an example whose value is unknown.
        names: of the groups, in natural order; no group is empty.
        small: for each group, whether it has too few examples to be compared.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    small: tuple[bool, ...]


class Gap(NamedTuple):
    """The largest difference between two groups.

    Attributes:
        high: the place of the group with the higher score.
        low: the place of the other one.
        gap: of the scores, at least 0.
        p: how often a gap that stands out as much comes by chance, if all groups are treated alike.
    """

    high: int
    low: int
    gap: float
    p: float


def chosen(attributes: Mapping[str, Any], names: Sequence[str], where: str) -> dict[str, Any]:
    """Returns the attributes of these names; all if no name is given.

    Args:
        attributes: name → values.
        names: those that are asked for.
        where: what has the attributes, for the message.

    Raises:
        UserError: there is no such attribute.
    """
    if lacking := [name for name in names if name not in attributes]:
        has = f"it has {listed(attributes, most=12)}" if attributes else "it has none"
        raise UserError(f"{where} has no attribute {', '.join(map(repr, lacking[:3]))}; {has}")
    return {name: attributes[name] for name in names or attributes}


def pooled(attribute: Attribute, smallest: int = SMALLEST) -> Groups:
    """Makes groups of an attribute; several small ones become one, `others`.

    Args:
        attribute: codes `[N]` and names.
        smallest: examples that a group needs to be compared.
    """
    codes, names = np.asarray(attribute[0], np.int64), list(attribute[1])
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    small = [place for place in np.flatnonzero(counts) if counts[place] < smallest]
    kept = sorted((place for place in np.flatnonzero(counts >= smallest)), key=lambda i: _natural(names[i]))
    parts = [[place] for place in kept] + ([small] if small else [])
    places = np.full(len(names) + 1, -1)  # the last is that of the unknown
    for new, part in enumerate(parts):
        places[part] = new
    titles = [names[place] for place in kept]
    if small:
        ordered = sorted((names[place] for place in small), key=_natural)
        titles.append(f"others ({listed(ordered, most=4)})" if len(small) > 1 else ordered[0])
    return Groups(places[codes], tuple(titles), tuple(bool(counts[part].sum() < smallest) for part in parts))


def crossed(first: Groups, second: Groups, smallest: int = SMALLEST) -> Groups:
    """Makes a group of every pair of groups of two attributes that has examples; none is pooled."""
    both = (first.codes >= 0) & (second.codes >= 0)
    cells = np.where(both, first.codes * len(second.names) + second.codes, -1)
    counts = np.bincount(cells[both], minlength=len(first.names) * len(second.names))
    filled = np.flatnonzero(counts)
    places = np.full(len(counts) + 1, -1)
    places[filled] = np.arange(len(filled))
    names = [f"{first.names[cell // len(second.names)]} × {second.names[cell % len(second.names)]}"
             for cell in filled]  # fmt: skip
    return Groups(places[cells], tuple(names), tuple((counts[filled] < smallest).tolist()))


def confusions(labels: np.ndarray, predicted: np.ndarray, groups: Groups, classes: int) -> np.ndarray:
    """Counts a confusion matrix for each group: int64 `[G, K, K]`, rows actual, columns predicted."""
    known = groups.codes >= 0
    cells = (groups.codes[known] * classes + labels[known]) * classes + predicted[known]
    count = len(groups.names)
    return np.bincount(cells, minlength=count * classes**2).reshape(count, classes, classes)


def largest_gaps(matrices: np.ndarray, seed: int = 0) -> dict[str, Gap]:
    """Finds the largest gap of each score between groups, and how likely chance makes one that stands out so.

    For the accuracy the null hypothesis is that an example of any group is right with the same chance. For
    the other scores it is that the answers to a class have the same chances in every group: the groups keep
    their numbers of each class, so that a gap which comes from rare or missing classes alone is not real.

    Args:
        matrices: int `[G, K, K]`, the confusion matrices of the groups to compare.
        seed: of the resampling.

    Returns:
        One of `SCORES` → its gap; empty for fewer than two groups.
    """
    if len(matrices) < 2:
        return {}
    rng = np.random.default_rng(seed)
    alike = _scores_alike(matrices, rng) | {"accuracy": _accuracies_alike(matrices, rng)}
    values = stacked_scores(matrices)
    return {score: _largest_gap(values[score], alike[score]) for score in SCORES}


def _largest_gap(values: np.ndarray, alike: np.ndarray) -> Gap:
    """Finds the largest gap of the scores `[G]` and its p value by draws of the null hypothesis `[R, G]`."""
    high, low = int(values.argmax()), int(values.argmin())
    if high == low:  # all are equal
        return Gap(0, 1, 0.0, 1.0)
    first, second = np.triu_indices(len(values), 1)
    differences = alike[:, first] - alike[:, second]
    centre, spread = differences.mean(0), differences.std(0)
    spread = np.where(spread > 0, spread, np.inf)
    chance = np.abs((differences - centre) / spread).max(1)
    at = np.flatnonzero((first == min(high, low)) & (second == max(high, low)))[0]
    seen = abs((values[first[at]] - values[second[at]] - centre[at]) / spread[at])
    p = (1 + (chance >= seen - 1e-9).sum()) / (1 + len(chance))
    return Gap(high, low, float(values[high] - values[low]), float(p))


def _accuracies_alike(matrices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the accuracies of the groups if all are right equally often: float64 `[R, G]`."""
    sizes = matrices.sum((1, 2))
    right = np.trace(matrices, axis1=1, axis2=2)
    return rng.binomial(sizes, right.sum() / sizes.sum(), (RESAMPLES, len(sizes))) / sizes


def _scores_alike(matrices: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws the scores of the groups if each class is answered alike in all: float64 `[R, G]` each."""
    support, whole = matrices.sum(2), matrices.sum(0)
    # One more example, spread over all answers: the chances are estimates, which alone would vary too little.
    chances = (whole + 1 / len(whole)) / (whole.sum(1, keepdims=True) + 1)
    drawn = [
        stacked_scores(rng.multinomial(group, chances, (CLASS_RESAMPLES, len(group)))) for group in support
    ]
    return {score: np.stack([scores[score] for scores in drawn], 1) for score in drawn[0]}


def intervals(matrix: np.ndarray, seed: int = 0) -> dict[str, Interval]:
    """Computes 95 % intervals of one group's `SCORES`: Wilson's of the accuracy, bootstrap of the others."""
    total = int(matrix.sum())
    draws = np.random.default_rng(seed).multinomial(total, matrix.ravel() / total, MATRIX_RESAMPLES)
    scores = stacked_scores(draws.reshape(-1, *matrix.shape))
    ends = {name: np.quantile(scores[name], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) for name in SCORES[1:]}
    return {
        "accuracy": Interval(*accuracy_interval(matrix)),
        **{name: Interval(float(low), float(high)) for name, (low, high) in ends.items()},
    }


def difference_interval(
    first: float, first_ends: Sequence[float], second: float, second_ends: Sequence[float]
) -> Interval:
    """Combines the intervals of two independent numbers into one of first − second.

    Source: Zou & Donner, "Construction of confidence limits about effect measures" (2008), equation 6; for
    two shares with Wilson's intervals it is Newcombe's method 10 (1998).
    """
    difference = first - second
    below = np.hypot(first - first_ends[0], second_ends[1] - second)
    above = np.hypot(first_ends[1] - first, second - second_ends[0])
    return Interval(float(difference - below), float(difference + above))


def measure(
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    attributes: Mapping[str, Attribute],
    smallest: int = SMALLEST,
) -> dict[str, Any]:
    """Measures a network by group: by each attribute, and by each pair of attributes.

    Args:
        labels: int `[N]`.
        log_probabilities: float `[N, K]`.
        attributes: name → a value for each example.
        smallest: examples that a group needs to be compared.

    Returns:
        Ready for JSON: `smallest`, `attributes` (name → `groups` and `gaps`) and `pairs` (a list of
        `attributes`, `groups` and `gaps`). A group has `name`, `images`, `small`, its `SCORES`, their
        `intervals`, `confusion_matrix`, and of its calibration `confidence` (the mean probability of the
        predicted class), `overconfidence` (that − accuracy) with `overconfidence_interval`, and
        `calibration_error`. Examples without a value make the group `unknown`, which is not compared. `gaps`
        has for each score `high`, `low`, `gap`, `interval` (95 %, of these two groups alone), `p` (corrected
        for all attributes, or all pairs, and scores) and `real` (p below 0.05); it is empty where fewer than
        two groups can be compared.
    """
    predicted = log_probabilities.argmax(-1)
    own = {name: pooled(attribute, smallest) for name, attribute in attributes.items()}
    pairs = {
        pair: crossed(own[pair[0]], own[pair[1]], smallest)
        for pair in itertools.combinations(own, 2)
        if all(len(own[name].names) > 1 for name in pair)
    }
    classes = log_probabilities.shape[1]
    found: dict[Any, dict[str, Any]] = {}
    for family in (own, pairs):
        tables = {key: confusions(labels, predicted, each, classes) for key, each in family.items()}
        rows = {key: _rows(labels, log_probabilities, each, tables[key]) for key, each in family.items()}
        gaps = _gaps(rows, family, tables)
        found |= {key: {"groups": rows[key], "gaps": gaps[key]} for key in family}
    return {
        "smallest": smallest,
        "attributes": {name: found[name] for name in own},
        "pairs": [{"attributes": list(pair), **found[pair]} for pair in pairs],
    }


def _rows(
    labels: np.ndarray, log_probabilities: np.ndarray, groups: Groups, matrices: np.ndarray
) -> list[dict[str, Any]]:
    rows = [
        _row(name, small, labels, log_probabilities, groups.codes == place, matrices[place])
        for place, (name, small) in enumerate(zip(groups.names, groups.small, strict=True))
    ]
    unknown = groups.codes < 0
    if unknown.any():
        alone = Groups(np.where(unknown, 0, -1), (UNKNOWN,), (True,))
        matrix = confusions(labels, log_probabilities.argmax(-1), alone, log_probabilities.shape[1])[0]
        rows.append(_row(UNKNOWN, True, labels, log_probabilities, unknown, matrix))
    return rows


def _row(
    name: str,
    small: bool,
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    members: np.ndarray,
    matrix: np.ndarray,
) -> dict[str, Any]:
    logs = log_probabilities[members]
    sure = np.exp(logs.max(-1).astype(np.float64)).clip(0, 1)
    beyond = sure - (logs.argmax(-1) == labels[members])
    half = 1.96 * beyond.std() / np.sqrt(len(beyond))
    scores = stacked_scores(matrix)
    return {
        "name": name,
        "images": int(members.sum()),
        "small": small,
        **{score: float(scores[score]) for score in SCORES},
        "intervals": {score: list(ends) for score, ends in intervals(matrix).items()},
        "confidence": float(sure.mean()),
        "overconfidence": float(beyond.mean()),
        "overconfidence_interval": [float(beyond.mean() - half), float(beyond.mean() + half)],
        "calibration_error": reliability(labels[members], logs).error,
        "confusion_matrix": matrix.tolist(),
    }


def corrected(gaps: Mapping[Any, Mapping[str, Gap]]) -> dict[Any, dict[str, Gap]]:
    """Corrects the p values of gaps for their number, by Holm's method.

    Args:
        gaps: attribute, or pair of attributes → what `largest_gaps` found.

    Returns:
        The same with larger p values: the chance that any of them is below 0.05 is 0.05 where no gap is real.
    """
    places = [(key, score) for key, each in gaps.items() for score in each]
    ps = holm([gaps[key][score].p for key, score in places])
    raised: dict[Any, dict[str, Gap]] = {key: {} for key in gaps}
    for (key, score), p in zip(places, ps, strict=True):
        raised[key][score] = gaps[key][score]._replace(p=p)
    return raised


def _gaps(
    rows: Mapping[Any, list[dict[str, Any]]], family: Mapping[Any, Groups], tables: Mapping[Any, np.ndarray]
) -> dict[Any, dict[str, Any]]:
    """Describes the largest gap of every score; all of a family, such as all attributes, go together."""
    compared = {key: np.flatnonzero(~np.array(each.small, bool)) for key, each in family.items()}
    gaps = corrected({key: largest_gaps(tables[key][compared[key]]) for key in family})
    described: dict[Any, dict[str, Any]] = {key: {} for key in family}
    for key, each in gaps.items():
        for score, gap in each.items():
            high, low = (rows[key][compared[key][place]] for place in (gap.high, gap.low))
            ends = difference_interval(
                high[score], high["intervals"][score], low[score], low["intervals"][score]
            )
            described[key][score] = {
                "high": high["name"],
                "low": low["name"],
                "gap": gap.gap,
                "interval": list(ends),
                "p": gap.p,
                "real": gap.p < 1 - LEVEL,
            }
    return described


def compare(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    attributes: Mapping[str, Attribute],
    smallest: int = SMALLEST,
) -> dict[str, dict[str, Any]]:
    """Compares two networks on the same examples, group by group.

    Args:
        labels: int `[N]`.
        first: int `[N]`, the classes that the first network predicts.
        second: int `[N]`, those that the second predicts.
        classes: K.
        attributes: name → a value for each example.
        smallest: examples that a group needs to be compared.

    Returns:
        Attribute → `groups` and `closes`. A group has `name`, `images`, `small`, `first` and `second` (the
        `SCORES` of each), `difference` of the accuracies (second − first) with its `interval` (bootstrap,
        paired), and `p`: McNemar's exact test, corrected by Holm's method for all groups of all attributes;
        None for small groups. `closes` tells of the two groups between which the first network's accuracy has
        the largest gap: `high`, `low`, the gap of the `first` and of the `second` network, and by how much it
        closes, `difference` with its `interval`; None for fewer than two groups.
    """
    compared: dict[str, dict[str, Any]] = {}
    for name, attribute in attributes.items():
        groups = pooled(attribute, smallest)
        before, after = (
            stacked_scores(confusions(labels, each, groups, classes)) for each in (first, second)
        )
        rows = []
        for place, (title, small) in enumerate(zip(groups.names, groups.small, strict=True)):
            members = groups.codes == place
            test = mcnemar((first == labels)[members], (second == labels)[members])
            rows.append(
                {
                    "name": title,
                    "images": test.n,
                    "small": small,
                    "first": {score: float(before[score][place]) for score in SCORES},
                    "second": {score: float(after[score][place]) for score in SCORES},
                    "difference": test.difference,
                    "interval": list(test.bootstrap),
                    "p": None if small else test.p,
                }
            )
        compared[name] = {"groups": rows, "closes": _closes([row for row in rows if not row["small"]])}
    tested = [row for each in compared.values() for row in each["groups"] if not row["small"]]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p"] = p
    return compared


def _closes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Tells by how much the first network's largest gap of the accuracy is smaller with the second."""
    if len(rows) < 2:
        return None
    high = max(rows, key=lambda row: row["first"]["accuracy"])
    low = min(rows, key=lambda row: row["first"]["accuracy"])
    ends = difference_interval(low["difference"], low["interval"], high["difference"], high["interval"])
    return {
        "high": high["name"],
        "low": low["name"],
        **{which: high[which]["accuracy"] - low[which]["accuracy"] for which in ("first", "second")},
        "difference": low["difference"] - high["difference"],
        "interval": list(ends),
    }


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key that sorts 4-19 before 20-39."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
