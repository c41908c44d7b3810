"""Finds images that a set holds twice: with the same pixels, or the same to the eye."""

from typing import Any, NamedTuple

import numpy as np

from ferjax.audit.content import Content, Finding
from ferjax.audit.near import Pairs, near_pairs
from ferjax.report.wording import count_of


class Duplicates(NamedTuple):
    """All pairs of a kind, the worst first: across splits before inside one, then other labels first.

    Attributes:
        first, second: int64 [P], examples.
        likeness: float32 [P], correlation of their thumbnails; 1 for exact duplicates.
        across: bool [P], they stand in two splits.
        conflicting: bool [P], they have two labels.
    """

    first: np.ndarray
    second: np.ndarray
    likeness: np.ndarray
    across: np.ndarray
    conflicting: np.ndarray


def exact(content: Content) -> tuple[dict[str, Any], Duplicates, list[Finding]]:
    """Finds images with the same pixels.

    Returns:
        The counts, the first image of each picture paired with each of its copies, and the findings.
    """
    readable = np.flatnonzero(content.prints.readable)
    pixels, labels, split = (
        values[readable] for values in (content.prints.pixels, content.labels, content.split)
    )
    first, which, counts = np.unique(pixels, return_index=True, return_inverse=True, return_counts=True)[1:]
    copies = np.flatnonzero((counts[which] > 1) & (first[which] != np.arange(len(pixels))))
    originals = first[which[copies]]
    duplicates = _worst_first(
        content, readable[originals], readable[copies], np.ones(len(copies), np.float32)
    )

    inside = {
        name: int(np.sum(split == position) - len(np.unique(pixels[split == position])))
        for position, name in enumerate(content.splits)
    }
    across = {
        f"{content.splits[a]}/{content.splits[b]}": int(np.isin(pixels[split == a], pixels[split == b]).sum())
        for a, b in content.pairs_of_splits()
    }
    disputed = np.unique(which[copies[labels[copies] != labels[originals]]])
    conflicting = int(counts[disputed].sum())
    findings = [
        Finding(
            "exact_across",
            True,
            count,
            f"{count_of(count, 'image')} of {pair.replace('/', ' also in ')}, pixel for pixel",
        )
        for pair, count in across.items()
        if count
    ]
    if conflicting:
        findings.append(
            Finding(
                "conflicting_labels",
                True,
                conflicting,
                f"{count_of(conflicting, 'image')} with a copy of another class: "
                f"{count_of(len(disputed), 'picture')} stored more than once, with several labels",
            )
        )
    findings += [
        Finding(
            "exact_inside",
            False,
            count,
            f"{count_of(count, 'image')} of {name}, pixel for pixel as another one there",
        )
        for name, count in inside.items()
        if count
    ]
    report = {
        "inside": inside,
        "across": across,
        "conflicting_images": conflicting,
        "conflicting_pictures": len(disputed),
    }
    return report, duplicates, findings


def near(content: Content) -> tuple[dict[str, Any], Duplicates, list[Finding]]:
    """Finds images that look the same, leaving exact duplicates and constant images out.

    Returns:
        The counts, the pairs, and the findings.
    """
    prints = content.prints
    shown = np.flatnonzero(prints.readable & ~prints.constant)
    # A picture that stands twice in a split is compared once: its copies are reported as exact duplicates.
    key = np.stack([content.split[shown].astype(np.uint64), prints.pixels[shown]], axis=1)
    shown = shown[np.sort(np.unique(key, axis=0, return_index=True)[1])]
    pairs = near_pairs(prints.thumbnails[shown])
    first, second = shown[pairs.first], shown[pairs.second]
    differing = prints.pixels[first] != prints.pixels[second]
    duplicates = _worst_first(content, first[differing], second[differing], pairs.correlation[differing])
    return _near_report(content, duplicates, pairs)


def _near_report(
    content: Content, duplicates: Duplicates, pairs: Pairs
) -> tuple[dict[str, Any], Duplicates, list[Finding]]:
    a, b = content.split[duplicates.first], content.split[duplicates.second]
    least = "" if pairs.complete else "at least "
    inside = {name: int(np.sum((a == at) & (b == at))) for at, name in enumerate(content.splits)}
    across, findings = {}, []
    for one, other in content.pairs_of_splits():
        # The earlier split is first in every pair: examples are joined in the order of the splits.
        count = len(np.unique(duplicates.first[(a == one) & (b == other)]))
        names = content.splits[one], content.splits[other]
        across["/".join(names)] = count
        if count:
            text = f"{least}{count_of(count, 'image')} of {names[0]} with a look-alike in {names[1]}"
            findings.append(Finding("near_across", True, count, text))
    for name, count in inside.items():
        if count:
            text = f"{least}{count_of(count, 'pair')} of look-alikes inside {name}"
            findings.append(Finding("near_inside", False, count, text))
    conflicting = int(duplicates.conflicting.sum())
    if conflicting:
        text = f"{least}{count_of(conflicting, 'pair')} of look-alikes with two labels"
        findings.append(Finding("near_conflicting_labels", False, conflicting, text))
    report = {
        "inside_pairs": inside,
        "across_images": across,
        "conflicting_pairs": conflicting,
        "complete": pairs.complete,
    }
    return report, duplicates, findings


def _worst_first(content: Content, first: np.ndarray, second: np.ndarray, likeness: np.ndarray) -> Duplicates:
    across = content.split[first] != content.split[second]
    conflicting = content.labels[first] != content.labels[second]
    order = np.lexsort((second, first, -likeness, ~conflicting, ~across))
    return Duplicates(*(values[order] for values in (first, second, likeness, across, conflicting)))
