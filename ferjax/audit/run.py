"""Runs every check on one built set and collects a plain report."""

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ferjax
from ferjax.audit import checks, content, duplicates, near
from ferjax.platform.console import printable
from ferjax.report.wording import count_of

# Pairs of a kind that the report lists.
LISTED_PAIRS = 100


def audit(name: str, folder: Path, published: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Audits a built set.

    Args:
        name: the set's name.
        folder: where it is built.
        published: split → class name or "total" → examples, as far as they are known.

    Returns:
        The content of `audit.json`: JSON values only.

    Raises:
        UserError: the set is damaged.
    """
    examples = content.read(name, folder)
    bad_images, image_findings = checks.images(examples)
    derived, derived_findings = checks.derived(examples)
    groups, group_findings = checks.groups(examples)
    counts, count_findings = checks.counts(examples, published)
    exact, exact_pairs, exact_findings = duplicates.exact(examples)
    alike, near_pairs, near_findings = duplicates.near(examples)
    findings = [
        *count_findings,
        *group_findings,
        *derived_findings,
        *exact_findings,
        *near_findings,
        *image_findings,
    ]
    findings.sort(key=lambda finding: not finding.serious)
    return {
        "dataset": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ferjax": ferjax.__version__,
        "label_names": list(examples.label_names),
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "counts": counts,
        "images": bad_images,
        "derived": derived,
        "groups": groups,
        "exact": {**exact, "pairs": len(exact_pairs.first), "worst": _listed(examples, exact_pairs)},
        "near": {
            **alike,
            "bits": near.DISTANCE,
            "correlation": near.CORRELATION,
            "pairs": len(near_pairs.first),
            "worst": [
                row | {"likeness": round(float(likeness), 4)}
                for row, likeness in zip(_listed(examples, near_pairs), near_pairs.likeness, strict=False)
            ],
        },
    }


def _listed(examples: content.Content, pairs: duplicates.Duplicates) -> list[dict[str, Any]]:
    """Lists the first pairs: where both stand, their ids if the set stores them, and their classes."""
    rows = []
    for first, second in zip(pairs.first[:LISTED_PAIRS], pairs.second[:LISTED_PAIRS], strict=True):
        members = []
        for example in (first, second):
            split, index = examples.place(int(example))
            (record,) = examples.records[split].read([index])
            member = {"split": split, "index": index, "class": examples.label_names[examples.labels[example]]}
            members.append(member | ({"id": record["id"].decode()} if "id" in record else {}))
        rows.append({"first": members[0], "second": members[1]})
    return rows


def is_serious(report: Mapping[str, Any]) -> bool:
    """Tells whether anything was found that makes scores on the set wrong."""
    return bool(np.any([finding["serious"] for finding in report["findings"]]))


def summary(report: Mapping[str, Any]) -> str:
    """Writes the report in a few lines of text."""
    sizes = ", ".join(
        f"{count_of(counts['total'], 'image')} in {split}" for split, counts in report["counts"].items()
    )
    lines = [f"{report['dataset']}: {sizes}"]
    for finding in report["findings"]:
        lines.append(printable(f"{'SERIOUS' if finding['serious'] else 'note':<9}{finding['text']}"))
    if not report["findings"]:
        lines.append("nothing was found")
    return "\n".join(lines)
