"""The leaderboard as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from ferjax.experiments.repeat import SCORES
from ferjax.leaderboard.columns import table
from ferjax.leaderboard.entries import Group
from ferjax.leaderboard.pareto import fronts
from ferjax.platform.console import printable
from ferjax.report.markdown import plain
from ferjax.report.tables import markdown

CSV_HEAD = (
    "dataset", "test_digest", "rank", "recipe", "network", "seeds", "runs",
    *(f"{score}{part}" for score in SCORES for part in ("", "_low", "_high")),
    "interval_over", "seconds", "peak_memory_bytes", "parameters", "operations", "device",
    "test_images_seen", "pareto", "differs_in",
)  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$",
    "×": r"$\times$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
NOTE = (
    "Scores are on test, of the step that validation chose. An interval of 95 % is over the test images for "
    "one run and Student's over the seeds for several: it tells how far such a number may move, not which of "
    "two entries is better; ferjax compare tests that."
)


def title(group: Group) -> str:
    """Names a group: the data set, the test images, and the start of their digest."""
    return f"{group.dataset}: {group.images:,} test images ({group.digest[:8]})"


def to_markdown(groups: Sequence[Group], left_out: Mapping[str, str], by: str) -> str:
    """Formats all groups as Markdown, with the runs that were left out."""
    parts = ["# Leaderboard", NOTE]
    for group in groups:
        head, rows = table(group.entries, by)
        parts += [
            f"## {plain(title(group))}",
            markdown(head, [[plain(cell) for cell in row] for row in rows]),
        ]
    if left_out:
        parts += [
            "## Left out",
            "\n".join(f"- {plain(name)}: {plain(why)}" for name, why in left_out.items()),
        ]
    return "\n\n".join(parts) + "\n"


def to_latex(groups: Sequence[Group], by: str) -> str:
    """Formats each group as a `table` of LaTeX; it needs the package booktabs."""
    parts = ["% \\usepackage{booktabs}"]
    for group in groups:
        head, rows = table(group.entries, by)
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(title(group))}. {_latex(NOTE)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            _row(head),
            r"\midrule",
            *map(_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in printable(text))


def to_csv(groups: Sequence[Group], by: str) -> str:
    """Formats all groups as CSV, numbers as they were recorded; unknown ones are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for group in groups:
        on = fronts(group.entries, by)
        for rank, entry in enumerate(group.entries, start=1):
            writer.writerow(
                [
                    group.dataset, group.digest, rank, _cell(entry.name), _cell(entry.model),
                    " ".join(map(str, entry.seeds)), len(entry.seeds),
                    *(value for score in SCORES for value in entry.scores[score]),
                    "seeds" if len(entry.seeds) > 1 else "images", entry.seconds, entry.memory,
                    entry.parameters, entry.operations, _cell(entry.device), entry.overlap,
                    " ".join(on[entry.name]), _cell(entry.details),
                ]
            )  # fmt: skip
    return text.getvalue()


def _cell(text: str) -> str:
    """Keeps a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
