"""The per-class table of a test result: as text for a terminal, as HTML for the page."""

from collections.abc import Sequence
from html import escape

import numpy as np

_SCORES = ("precision", "recall", "f1")


def totals(per_class: Sequence[dict]) -> list[dict]:
    """The two closing rows: means over classes, each class or each example weighing the same.

    Args:
        per_class: rows of name, precision, recall, f1 (in [0, 1]) and support (examples).

    Returns:
        Rows "mean of classes" (those without examples left out) and "weighted mean", of the same fields.
    """
    support = np.array([row["support"] for row in per_class])
    scores = np.array([[row[name] for name in _SCORES] for row in per_class])
    means = {
        "mean of classes": scores[support > 0].mean(axis=0),
        "weighted mean": np.average(scores, axis=0, weights=support),
    }
    return [
        {"name": name, **dict(zip(_SCORES, mean.tolist(), strict=True)), "support": int(support.sum())}
        for name, mean in means.items()
    ]


def text_table(test: dict) -> str:
    """The per-class table with totals and the accuracy, aligned in a fixed-width font.

    Args:
        test: the `test` field of `result.json`.
    """
    closing = totals(test["per_class"])
    width = max(len(row["name"]) for row in (*test["per_class"], *closing))

    def line(row: dict) -> str:
        scores = "".join(f"{row[name]:>11.4f}" for name in _SCORES)
        return f"{row['name']:<{width}}{scores}{row['support']:>10,}"

    header = f"{'class':<{width}}" + "".join(f"{name:>11}" for name in _SCORES) + f"{'support':>10}"
    rule = "-" * len(header)
    body = [header, rule, *map(line, test["per_class"]), rule, *map(line, closing)]
    return "\n".join([*body, f"{'accuracy':<{width}}{test['accuracy']:>11.4f}"])


def html_rows(test: dict) -> str:
    """The same rows as `<tr>` elements; each class's scores have a bar of their length."""
    closing = totals(test["per_class"])
    return "\n".join(
        [_html_row(row, bars=True) for row in test["per_class"]] + [_html_row(r, bars=False) for r in closing]
    )


def _html_row(row: dict, bars: bool) -> str:
    cells = []
    for name in _SCORES:
        bar = f'<i class="bar" style="width:{100 * row[name]:.1f}%"></i>' if bars else ""
        track = f'<span class="track">{bar}</span>' if bars else ""
        cells.append(f"<td><b>{100 * row[name]:.1f}</b>{track}</td>")
    kind = "" if bars else ' class="total"'
    name = f'<th scope="row">{escape(row["name"])}</th>'
    return f"<tr{kind}>{name}{''.join(cells)}<td>{row['support']:,}</td></tr>"
