"""The report's measures of fairness between groups, for each class."""

from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.report.tables import html_table
from ferjax.report.wording import points


def table(
    name: str, fairness: Mapping[str, Sequence[float | None]], label_names: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Makes a row for each class: the differences between the groups of an attribute, in points.

    Args:
        name: of the attribute.
        fairness: see `ferjax.scores.group_fairness.fairness`.
        label_names: the K classes.
    """
    head = [name, *(measure.replace("_", " ") for measure in fairness)]
    rows = zip(label_names, *fairness.values(), strict=True)
    return head, [
        [label, *("–" if value is None else points(value, 1) for value in values)] for label, *values in rows
    ]


def section(attributes: Mapping[str, Any], label_names: Sequence[str]) -> str:
    """Makes the folded tables of all attributes; empty where no groups can be compared.

    Args:
        attributes: those of `ferjax.scores.groups.measure`.
        label_names: the K classes.
    """
    tables = "".join(
        f'<div class="panel scroll">{html_table(*table(name, each["fairness"], label_names))}</div>'
        for name, each in attributes.items()
        if each["fairness"]
    )
    if not tables:
        return ""
    return f"""<details class="wide"><summary>Measures of fairness, by class</summary>
<p class="muted">Largest less smallest among the groups that are compared, in percentage points: of the
share that is called the class (demographic parity), of the share of the class that is recognised (equal
opportunity), and the larger one of that and of the share of other classes that is called so (equalized odds).
They are above 0 by chance alone, the more so in small groups; which gaps are real is told above. Where groups
show a class more or less often, demographic parity is not to be wished for.</p>{tables}</details>"""
