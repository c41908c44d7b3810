"""Compares two networks or recipes: paired by seed, or by test image."""

from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.experiments.repeat import FILE, SCORES, read_repeat
from ferjax.files import user_path
from ferjax.report import groups
from ferjax.report.tables import markdown
from ferjax.report.wording import p_value, points
from ferjax.runs import predictions
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT
from ferjax.scores import significance


def compare(first: Path | str, second: Path | str) -> dict[str, Any]:
    """Compares two folders of `repeat`, or two finished runs.

    Returns:
        `kind` "seeds", `seeds` and `scores` (name → `significance.Paired`); or `kind` "images", `test`, a
        `significance.McNemar`, and `groups`, see `ferjax.scores.group_comparison.compare`.

    Raises:
        UserError: they cannot be compared.
    """
    first, second = user_path(first), user_path(second)
    several = [(folder / FILE).exists() for folder in (first, second)]
    if all(several):
        return by_seed(read_repeat(first), read_repeat(second))
    if any(several):
        one, many = (first, second) if several[1] else (second, first)
        raise UserError(
            f"{many} holds several seeds and {one} a single run: a comparison of recipes needs at least two "
            "seeds of each; run python -m ferjax repeat for both, or compare two runs"
        )
    one, other = read_test_predictions(first), read_test_predictions(second)
    test = significance.mcnemar(*predictions.right_of_both(one, other))
    return {"kind": "images", "test": test, "groups": groups.compared_by_group(one, other)}


def by_seed(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Compares two repeats in pairs, over the seeds that both have.

    Raises:
        UserError: they were tested on different images, or share fewer than two seeds.
    """
    if first["test_digest"] != second["test_digest"]:
        raise UserError(
            f"the two were tested on different images ({first['dataset']} and {second['dataset']}): only "
            "scores of one test split can be compared"
        )
    shared = [seed for seed in first["seeds"] if seed in second["seeds"]]
    if len(shared) < 2:
        raise UserError(
            f"the two share {len(shared)} seeds; a paired comparison needs at least two: repeat both with "
            "the same seeds"
        )

    def values(repeat: dict[str, Any], name: str) -> list[float]:
        return [repeat["scores"][name][repeat["seeds"].index(seed)] for seed in shared]

    scores = {name: significance.paired(values(first, name), values(second, name)) for name in SCORES}
    return {"kind": "seeds", "seeds": shared, "scores": scores}


def read_test_predictions(workdir: Path | str) -> Predictions:
    """Reads the predictions of a finished run for its own test split.

    Raises:
        UserError: the run is unfinished, or its predictions are missing or damaged.
    """
    workdir = user_path(workdir)
    if not (workdir / RESULT).exists():
        raise UserError(f"{workdir} holds no finished run: it has no {RESULT}; train it to its end first")
    path = predictions.place(workdir, read_result(workdir / RESULT)["dataset"], "test", "npz")
    if not path.exists():
        raise UserError(
            f"{workdir} has no predictions: python -m ferjax evaluate --workdir={workdir} writes them"
        )
    return predictions.read(path)


def table(comparison: dict[str, Any], first: str, second: str) -> str:
    """Formats a comparison as text that is also a Markdown table."""
    if comparison["kind"] == "seeds":
        rows = [
            [
                name.replace("_", " "),
                points(paired.difference),
                _ends(paired.student),
                _ends(paired.bootstrap),
                p_value(paired.p_bootstrap),
                p_value(paired.p_student),
            ]
            for name, paired in comparison["scores"].items()
        ]
        head = ("test", "difference", "95% (Student)", "95% (bootstrap)", "p (bootstrap)", "p (t test)")
        title = f"{second} − {first}, paired by {len(comparison['seeds'])} seeds, in percentage points"
        return f"{title}\n\n{markdown(head, rows)}"
    test = comparison["test"]
    cells = [
        points(test.difference),
        _ends(test.bootstrap),
        f"{test.only_first:,}",
        f"{test.only_second:,}",
        p_value(test.p),
    ]
    head = ("difference", "95% (images)", "only the first right", "only the second right", "p (McNemar)")
    by_group = "".join(
        f"\n\n{markdown(*groups.comparison_table(name, compared, 'first', 'second'))}\n\n"
        f"{groups.closing(name, compared)}"
        for name, compared in comparison["groups"].items()
    )
    return (
        f"{second} − {first} on the same {test.n:,} test images, in percentage points\n\n"
        f"{markdown(head, [cells])}{by_group}\n\n"
        "This compares two trained networks. Whether one recipe is better needs several seeds of each: "
        "python -m ferjax repeat."
    )


def _ends(interval: significance.Interval) -> str:
    return f"{points(interval.low)} to {points(interval.high)}"
