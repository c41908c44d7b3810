"""Formats tables: the per-class table of a test result, and any table as Markdown or HTML."""

from collections.abc import Sequence
from html import escape

import numpy as np

from ferjax.platform.console import printable
from ferjax.report.wording import percent

_SCORES = ("precision", "recall", "f1")
_RANKING = ("roc_auc", "average_precision")


def totals(per_class: Sequence[dict]) -> list[dict]:
    """Computes the two closing rows: means over classes, each class or each example weighing the same.

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
    """Formats the per-class table with totals and the accuracy, aligned for a terminal.

    Args:
        test: the `test` field of `result.json`.
    """
    closing = totals(test["per_class"])
    width = max(len(row["name"]) for row in (*test["per_class"], *closing))

    def line(row: dict) -> str:
        scores = "".join(f"{row[name]:>11.4f}" for name in _SCORES)
        return f"{printable(row['name']):<{width}}{scores}{row['support']:>10,}"

    header = f"{'class':<{width}}" + "".join(f"{name:>11}" for name in _SCORES) + f"{'support':>10}"
    rule = "-" * len(header)
    body = [header, rule, *map(line, test["per_class"]), rule, *map(line, closing)]
    return "\n".join([*body, f"{'accuracy':<{width}}{test['accuracy']:>11.4f}"])


def losses_line(result: dict) -> str:
    """Formats the result of a run of pre-training, and how to go on from it, as text."""
    return (
        f"{result['pretraining']}: validation loss {result['validation']['loss']:.4f}, test loss "
        f"{result['test']['loss']:.4f} at step {result['best_step']:,}, chosen by validation; no classes "
        "were learnt: fine-tune from this workdir with --config.init.from"
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats a Markdown table that is also aligned in a terminal: first column left, the others right."""
    lines = [
        [printable(cell.replace("|", "\\|").replace("\n", " ")) for cell in line] for line in (head, *rows)
    ]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]

    def text(line: Sequence[str]) -> str:
        first, *rest = (
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join([first, *rest])} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([text(lines[0]), f"|{rule}|", *map(text, lines[1:])])


def _cell(text: str) -> str:
    return printable(text.replace("|", "\\|").replace("\n", " "))


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats a table of plain text as HTML; the first cell of a row is its name."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f'<table class="plain"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def probability_lines(scores: dict) -> str:
    """Formats what `ferjax.runs.prediction_scores.probability_scores` computed, in a few lines."""

    def share(name: str) -> str:
        return "none" if scores.get(name) is None else f"{scores[name]:.4f}"

    lines = [
        f"ROC-AUC {share('roc_auc')}, average precision {share('average_precision')} "
        "(one class against the rest, mean of classes)",
        f"calibration error {percent(scores.get('calibration_error'))}",
    ]
    if scores["temperature"] is not None:
        scaled = percent(scores.get("calibration_error_scaled"))
        lines[1] += f"; {scaled} with the temperature {scores['temperature']:.3f}"
    if sets := scores.get("sets"):
        low, high = sets["expected"]
        lines.append(
            f"sets that shall hold the class {sets['coverage']:.0%} of the time hold it "
            f"{sets['overall']['covered']:.1%} (expected {low:.1%} to {high:.1%}), with "
            f"{sets['overall']['mean_size']:.2f} classes on average"
        )
    lines += [
        f"{name.replace('_', ' ')}: 95% interval over images {100 * low:.1f} to {100 * high:.1f}%"
        for name, (low, high) in scores["intervals"].items()
    ]
    return "\n".join(lines)


def html_rows(test: dict, probabilities: dict | None = None) -> str:
    """Formats the rows of `text_table` as `<tr>` elements; each score has a bar of its length.

    Args:
        test: the `test` field of `result.json`.
        probabilities: the `probabilities` field; adds ROC-AUC and average precision.
    """
    rows, closing, scores = test["per_class"], totals(test["per_class"]), _SCORES
    if probabilities:
        scores = (*_SCORES, *_RANKING)
        rows = [{**row, **more} for row, more in zip(rows, probabilities["per_class"], strict=True)]
        closing = [{**closing[0], **{name: probabilities[name] for name in _RANKING}}, closing[1]]
    return "\n".join(
        [_html_row(row, scores, bars=True) for row in rows]
        + [_html_row(row, scores, bars=False) for row in closing]
    )


def _html_row(row: dict, scores: Sequence[str], bars: bool) -> str:
    cells = []
    for name in scores:
        if row.get(name) is None:  # no such example, or no such mean
            cells.append("<td></td>")
            continue
        bar = f'<i class="bar" style="width:{100 * row[name]:.1f}%"></i>' if bars else ""
        track = f'<span class="track">{bar}</span>' if bars else ""
        cells.append(f"<td><b>{100 * row[name]:.1f}</b>{track}</td>")
    kind = "" if bars else ' class="total"'
    name = f'<th scope="row">{escape(row["name"])}</th>'
    return f"<tr{kind}>{name}{''.join(cells)}<td>{row['support']:,}</td></tr>"
