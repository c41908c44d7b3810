"""The checks that look at one image, one group or one count at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferjax.audit.content import Content, Finding
from ferjax.data.derived_names import original_of
from ferjax.data.example_ids import example_ids
from ferjax.data.records import Records
from ferjax.report.wording import count_of

# A side of fewer pixels shows no face that anyone could read.
SMALLEST_SIDE = 16
# A class is reported if its number differs from the published one by more than this part, and by more than
# a few images.
FAR = 0.1
FEW = 10
# Names and indices that are listed before the rest is only counted.
LISTED = 50


def images(content: Content) -> tuple[dict[str, Any], list[Finding]]:
    """Finds unreadable, wrongly sized, constant and tiny images.

    Returns:
        Check → number of images and the first of them, and the findings.
    """
    shapes, readable = content.prints.shapes, content.prints.readable
    expected = np.array([size or 0 for size in next(iter(content.records.values())).image_shape])
    differs = ((shapes != expected) & (expected > 0)).any(1)
    size = "×".join(str(pixels) if pixels else "any" for pixels in expected)
    kinds = {
        "unreadable": (True, ~readable, "that cannot be decoded"),
        "wrong_size": (True, readable & differs, f"not of the set's size {size}"),
        "constant": (False, readable & content.prints.constant, "of one colour, which show nothing"),
        "tiny": (
            False,
            readable & (shapes[:, :2].min(1) < SMALLEST_SIDE),
            f"with a side below {SMALLEST_SIDE} pixels",
        ),
    }
    report, findings = {}, []
    for check, (serious, bad, what) in kinds.items():
        places = [content.place(int(example)) for example in np.flatnonzero(bad)]
        names = [f"{split} {index}" for split, index in places[:LISTED]]
        report[check] = {"count": len(places), "first": names}
        if places:
            text = f"{count_of(len(places), 'image')} {what}; the first is {names[0]}"
            findings.append(Finding(check, serious, len(places), text))
    return report, findings


def derived(content: Content) -> tuple[dict[str, Any], list[Finding]]:
    """Finds images that were made from others, by the names that their ids end with.

    Such an image is no example of the published set. In validation or test it changes the score, and in
    train it leaks what its original shows.

    Returns:
        Split → number of such images, the first of them, and how many have their original in another split;
        and the findings.
    """
    names = {split: _file_names(records) for split, records in content.records.items()}
    stems = {split: {name.rpartition(".")[0] or name for name in held} for split, held in names.items()}
    report, findings = {}, []
    for split, held in names.items():
        made = [name for name in held if original_of(name)]
        others = set().union(*(stems[other] for other in stems if other != split))
        elsewhere = sum(original_of(name) in others for name in made)
        report[split] = {"count": len(made), "first": made[:LISTED], "original_elsewhere": elsewhere}
        if made:
            leak = f"; the originals of {elsewhere:,} stand in another split" if elsewhere else ""
            text = (
                f"{count_of(len(made), 'image')} of {split} made from other images, by their names, "
                f"as {made[0]} from {original_of(made[0])}{leak}"
            )
            findings.append(Finding("derived", split != "train" or elsewhere > 0, len(made), text))
    return report, findings


def _file_names(records: Records) -> list[str]:
    """Returns the file name of every example; none if the set stores no `id`."""
    return [name.rpartition("/")[2] for name in example_ids(records)]


def groups(content: Content) -> tuple[dict[str, Any], list[Finding]]:
    """Finds identities or groups that stand in two splits.

    Returns:
        Pair of splits → number of groups and the first names, and the findings.
    """
    if content.groups is None or not content.groups.names:
        return {"known": False}, []
    codes, names = content.groups
    report: dict[str, Any] = {"known": True, "groups": len(names)}
    findings = []
    for a, b in content.pairs_of_splits():
        both = np.intersect1d(codes[content.split == a], codes[content.split == b])
        both = both[both >= 0]
        pair = content.splits[a], content.splits[b]
        report["/".join(pair)] = {"count": len(both), "first": [names[code] for code in both[:LISTED]]}
        if len(both):
            text = (
                f"{count_of(len(both), 'group')} (people or source images) in both {pair[0]} and {pair[1]}, "
                f"as {names[both[0]]}"
            )
            findings.append(Finding("group_across", True, len(both), text))
    return report, findings


def counts(
    content: Content, published: Mapping[str, Mapping[str, int]]
) -> tuple[dict[str, Any], list[Finding]]:
    """Compares the images of each class with the published numbers, as far as these are known.

    Returns:
        Split → counts found and published, and the findings.
    """
    number = len(content.label_names)
    found = {
        split: np.bincount(content.labels[content.split == position], minlength=number)
        for position, split in enumerate(content.splits)
    }
    report: dict[str, Any] = {}
    findings = _lacking(content, found, published)
    for split, per_class in found.items():
        known = published.get(split, {})
        report[split] = {
            "total": int(per_class.sum()),
            "published_total": known.get("total"),
            "classes": dict(zip(content.label_names, per_class.tolist(), strict=True)),
            "published": {name: known[name] for name in content.label_names if name in known},
        }
        expected = np.array([known.get(name, -1) for name in content.label_names])
        order = likely_order(per_class, expected) if (expected >= 0).all() else None
        report[split]["likely_order"] = order and [content.label_names[i] for i in order]
        if order:
            findings.append(_permuted(content, split, order, expected))
            continue
        far = [name for name in (*content.label_names, "total") if is_far(report[split], name)]
        if far:
            numbers = ", ".join(
                f"{name} {found_and_published(report[split], name)[0]:,} for {known[name]:,}" for name in far
            )
            text = f"the counts of {split} are far from the published ones: {numbers}"
            findings.append(Finding("counts", False, len(far), text))
    return report, findings


def likely_order(found: np.ndarray, published: np.ndarray) -> list[int] | None:
    """Tells whether counts are the published ones in another order of the classes.

    Sorting both assigns counts to published counts with the least Σ |difference of shares|. That must be at
    most a quarter of what the order as it is leaves, and this more than twice what chance would bring.

    Args:
        found: int [K], images of each class.
        published: int [K].

    Returns:
        For each class the position of the published class that it has the count of, or None.
    """
    if not found.sum() or not published.sum():
        return None
    share, expected = found / found.sum(), published / published.sum()
    order = np.arange(len(found))
    order[np.argsort(found, kind="stable")] = np.argsort(published, kind="stable")
    as_is = np.abs(share - expected).sum()
    assigned = np.abs(share - expected[order]).sum()
    chance = np.sqrt(expected * (1 - expected) / found.sum()).sum()
    exactly = bool((found == published[order]).all() and (found != published).any())
    if exactly or (assigned <= as_is / 4 and as_is > 2 * chance):
        return order.tolist()
    return None


def _permuted(content: Content, split: str, order: list[int], published: np.ndarray) -> Finding:
    names = content.label_names
    moved = [i for i, j in enumerate(order) if published[i] != published[j]]
    counts = ", ".join(f"{names[i]} has the count of {names[order[i]]}" for i in moved)
    text = f"the classes of {split} are likely in another order than their names: {counts}"
    return Finding("label_order", True, len(moved), text)


def _lacking(
    content: Content, found: Mapping[str, np.ndarray], published: Mapping[str, Mapping[str, int]]
) -> list[Finding]:
    """Finds classes that one split has and another lacks, or that should be there."""
    findings = []
    everywhere = np.sum(list(found.values()), axis=0)
    for label, name in enumerate(content.label_names):
        lacking = [split for split, per_class in found.items() if not per_class[label]]
        expected = [split for split in lacking if published.get(split, {}).get(name)]
        if not lacking:
            continue
        if not everywhere[label]:
            text = f"the class {name} has no image in any split"
            findings.append(Finding("class_lacking", bool(expected), 1, text))
        else:
            text = f"the class {name} has no image in {', '.join(lacking)}"
            findings.append(Finding("class_lacking", "train" in lacking or bool(expected), 1, text))
    return findings


def found_and_published(counts: Mapping[str, Any], name: str) -> tuple[int, int | None]:
    """Returns the number found and the published one (None if unknown) of a class or "total".

    Args:
        counts: the report on one split, see `counts`.
        name: a class, or "total".
    """
    if name == "total":
        return counts["total"], counts["published_total"]
    return counts["classes"][name], counts["published"].get(name)


def is_far(counts: Mapping[str, Any], name: str) -> bool:
    """Tells whether the number found is far from the published one; see `found_and_published`."""
    found, known = found_and_published(counts, name)
    return known is not None and abs(found - known) > max(FAR * known, FEW)
