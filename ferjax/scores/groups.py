"""Scores by group of people or pictures: sizes, intervals, confusions, calibration, gaps.

Pure NumPy. A group is all examples with one value of an attribute, or with one value each of two attributes.
Groups with too few examples for a number of their own are pooled or marked, and never compared.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError, listed
from ferjax.scores.calibration import reliability
from ferjax.scores.confusion import accuracy_interval, stacked_scores
from ferjax.scores.group_fairness import fairness
from ferjax.scores.group_gaps import SCORES, corrected, difference_interval, largest_gaps
from ferjax.scores.significance import LEVEL, MATRIX_RESAMPLES, Interval

SMALLEST = (
    30  # examples, below which a share of them says next to nothing: its 95 % interval is 36 points wide
)
UNKNOWN = "unknown"
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
        Ready for JSON: `smallest`, `attributes` (name → `groups`, `gaps` and `fairness`) and `pairs` (a list
        of `attributes`, `groups`, `gaps` and `fairness`). A group has `name`, `images`, `small`, its
        `SCORES`, their `intervals`, `confusion_matrix`, and of its calibration `confidence` (the mean
        probability of the predicted class), `overconfidence` (that − accuracy) with its interval, and
        `calibration_error`. Examples without a value make the group `unknown`, which is not compared. `gaps`
        has for each score `high`, `low`, `gap`, `interval` (95 %, of these two groups alone), `p` (corrected
        for all attributes, or all pairs, and scores) and `real` (p below 0.05); `fairness` is that of
        `ferjax.scores.group_fairness`. Both are empty where fewer than two groups can be compared.
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
        found |= {
            key: {"groups": rows[key], "gaps": gaps[key], "fairness": _fairness(each, tables[key])}
            for key, each in family.items()
        }
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


def _fairness(groups: Groups, matrices: np.ndarray) -> dict[str, list[float | None]]:
    large = ~np.array(groups.small, bool)
    return fairness(matrices[large]) if large.sum() > 1 else {}


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


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key that sorts 4-19 before 20-39."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
