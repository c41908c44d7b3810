"""Puts together what was found about the labels of a set: the estimate, the suspects, their neighbours."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.labels import confident
from ferjax.labels.confident import Finding, Intervals, Suspects
from ferjax.labels.neighbours import nearest
from ferjax.labels.probabilities import Probabilities
from ferjax.labels.whole_set import WholeSet

# Neighbours whose labels are counted.
NEAREST = 10
# Of a larger training set so many examples are candidates, drawn evenly: a pass over all would take long.
CANDIDATES = 5000
# Pairs of classes that labels.json lists.
_LISTED_PAIRS = 100


class Found(NamedTuple):
    """What is told about a set.

    Attributes:
        whole: the set.
        probabilities: out of sample.
        finding: the estimate and the suspects, the worst first.
        intervals: of the estimate.
    """

    whole: WholeSet
    probabilities: Probabilities
    finding: Finding
    intervals: Intervals

    @property
    def suspects(self) -> Suspects:
        """Examples whose labels are likely wrong, the worst first."""
        return self.finding.suspects


def find(whole: WholeSet, probabilities: Probabilities) -> Found:
    """Estimates the noise and finds the suspects."""
    return Found(
        whole=whole,
        probabilities=probabilities,
        finding=confident.find(whole.labels, probabilities.values),
        intervals=confident.bootstrap(whole.labels, probabilities.values, whole.groups),
    )


def numbers(found: Found) -> dict[str, Any]:
    """Returns the numbers of `labels.json`; JSON values and arrays only."""
    whole, (noise, _, joint), names = found.whole, found.finding, found.whole.label_names
    given = np.bincount(whole.labels, minlength=len(names))
    flagged = np.bincount(whole.labels[found.suspects.examples], minlength=len(names))
    agree = found.probabilities.values.argmax(1) == whole.labels
    splits = whole.splits
    return {
        "dataset": whole.records.name,
        "examples": len(whole.labels),
        "splits": dict(whole.sizes),
        "label_names": list(names),
        "digest": whole.digest(),
        "accuracy": float(agree.mean()),
        "noise": {
            "share": found.finding.share,
            "interval": found.intervals.share.tolist(),
            "by_confident_joint": float(confident.wrong_share(noise.joint)),
        },
        "classes": [
            {
                "name": name,
                "examples": int(given[label]),
                "threshold": float(noise.thresholds[label]),
                "wrong": float(share),
                "interval": found.intervals.given[:, label].tolist(),
                "flagged": int(flagged[label]),
            }
            for label, (name, share) in enumerate(zip(names, confident.wrong_by_label(joint), strict=True))
        ],
        "pairs": pairs(found)[:_LISTED_PAIRS],
        "confident_joint": noise.counts.tolist(),
        "joint": joint.tolist(),
        "flagged": {
            "total": len(found.suspects.examples),
            "splits": {
                split: int((splits[found.suspects.examples] == split).sum())
                for split in dict.fromkeys(splits)
            },
        },
        "planted": planted(found),
    }


def pairs(found: Found) -> list[dict[str, Any]]:
    """Lists the pairs of given and actual class that are estimated to occur, the most frequent first.

    Returns:
        `label`, `actual`, `examples` (suspects of this pair), its 95 % `interval`.
    """
    names, number = found.whole.label_names, len(found.whole.labels)
    low, high = found.intervals.joint
    off = found.finding.joint * (1 - np.eye(len(names)))
    rows = [
        {
            "label": names[int(i)],
            "actual": names[int(j)],
            "examples": int(np.rint(number * off[i, j])),
            "interval": [float(number * low[i, j]), float(number * high[i, j])],
        }
        for i, j in zip(*np.nonzero(off), strict=True)
    ]
    return sorted(rows, key=lambda row: -row["examples"])


def planted(found: Found) -> dict[str, float] | None:
    """Compares with labels that were made wrong on purpose; None where none was.

    Returns:
        `share` of wrong labels, and of the flagged examples `precision` (the share that is wrong) and
        `recall` (the share of the wrong ones that is flagged); `precision_at_80` is the share of wrong ones
        among the worst examples, so many that 80 % of all wrong ones are among them (0 if so many are not
        flagged).
    """
    wrong = found.whole.planted
    if wrong is None:
        return None
    hits = wrong[found.suspects.examples]
    total = max(int(wrong.sum()), 1)
    reached = np.flatnonzero(np.cumsum(hits) >= 0.8 * total)
    return {
        "share": float(wrong.mean()),
        "precision": float(hits.mean()) if len(hits) else 0.0,
        "recall": float(hits.sum() / total),
        "precision_at_80": float(hits[: reached[0] + 1].mean()) if len(reached) else 0.0,
    }


class Evidence(NamedTuple):
    """What speaks for a suggested label.

    Attributes:
        example: the suspect.
        suggested: the class.
        score: see `Suspects`.
        neighbours: int64 [M], the nearest of some examples that its network was trained on; none where no
            features are known.
        likeness: float32 [M], see `Neighbours`.
    """

    example: int
    suggested: int
    score: float
    neighbours: np.ndarray
    likeness: np.ndarray


FeaturesOf = Callable[[int, np.ndarray], np.ndarray]


def evidence(found: Found, count: int, features_of: FeaturesOf | None) -> list[Evidence]:
    """Finds the neighbours of the worst suspects, each in the space of the network that has not seen it.

    Args:
        found: see `find`.
        count: of suspects, at most.
        features_of: number of a fold and n examples → [n, F] of unit length; None where there are none.
    """
    chosen = found.suspects.examples[:count]
    near = _neighbours(found, chosen, features_of) if features_of else {}
    nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return [
        Evidence(int(example), int(suggested), float(score), *near.get(int(example), nothing))
        for example, suggested, score in zip(
            chosen, found.suspects.suggested[:count], found.suspects.scores[:count], strict=True
        )
    ]


def _neighbours(
    found: Found, chosen: np.ndarray, features_of: FeaturesOf
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Returns example → its nearest ones and their likeness."""
    folds = found.probabilities.folds
    near: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for number in np.unique(folds[chosen]):
        queries = chosen[folds[chosen] == number]
        others = np.flatnonzero(folds != number)
        candidates = others if len(others) else np.arange(len(folds))
        if len(candidates) > CANDIDATES:
            drawn = Draws("neighbours", int(number)).order(len(candidates))[:CANDIDATES]
            candidates = candidates[np.sort(drawn)]
        examples = np.unique(np.concatenate([queries, candidates]))
        rows = nearest(
            features_of(int(number), examples),
            np.searchsorted(examples, queries),
            np.searchsorted(examples, candidates),
            NEAREST,
        )
        for query, places, likeness in zip(queries.tolist(), *rows, strict=True):
            near[query] = examples[places], likeness
    return near


def votes(labels: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Counts the labels of neighbours: int64 [K]."""
    return np.bincount(np.asarray(labels, np.int64), minlength=classes)
