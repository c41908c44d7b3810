"""Collects what a search found, ready for JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferjax.experiments.repeat import SCORES
from ferjax.report.wording import count_of, duration, overlap, percent
from ferjax.scores import significance
from ferjax.tune.search import REASON, SECONDS, numbered
from ferjax.tune.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_FEW = 4  # trials that ran to their end, below which importances mean nothing


def trials(study: "Study") -> list[dict[str, Any]]:
    """Returns each trial: `number`, `values`, `ended`, `accuracy`, `seconds`, `validations` (accuracies)."""
    return [_trial(number, trial) for number, trial in numbered(study).items()]


def _trial(number: int, trial: "FrozenTrial") -> dict[str, Any]:
    reason = trial.user_attrs.get(REASON)
    whole = trial.state.is_finished() and reason is None
    return {
        "number": number,
        "values": dict(trial.params),
        "ended": "whole" if whole else reason or "running",
        "accuracy": trial.value if whole else None,
        "seconds": trial.user_attrs.get(SECONDS),
        "validations": [value for _, value in sorted(trial.intermediate_values.items())],
    }


def importance(study: "Study") -> dict[str, float]:
    """Returns the share of each field in what makes trials good, the largest first; empty with few trials.

    References:
        Watanabe et al., PED-ANOVA: Efficiently quantifying hyperparameter importance in arbitrary subspaces,
        IJCAI 2023.
    """
    from optuna.importance import get_param_importances

    complete = [trial for trial in trials(study) if trial["ended"] == "whole"]
    if len(complete) < _FEW or len({trial["accuracy"] for trial in complete}) < 2:
        return {}
    return {field: float(share) for field, share in get_param_importances(study).items()}


def space_rows(space: Space) -> list[dict[str, Any]]:
    """Returns each dimension: `field`, `words`, and what its axis needs."""
    return [
        {
            "field": dimension.field,
            "words": dimension.words,
            "choices": list(dimension.choices),
            "low": dimension.low,
            "high": dimension.high,
            "log": dimension.log,
        }
        for dimension in space
    ]


def tested(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the test scores of the winner's seeds: `scores` (one a seed), `summary` from two seeds on."""
    scores = {name: [result["test"][name] for result in results] for name in SCORES}
    several = len(results) > 1
    return {
        "seeds": [result["seed"] for result in results],
        "test_digest": results[0]["split_digests"]["test"],
        "seconds": sum(result["seconds"] for result in results),
        "overlap": results[0].get("overlap"),
        "scores": scores,
        "summary": {name: significance.seed_summary(values)._asdict() for name, values in scores.items()}
        if several
        else None,
    }


def size(rows: Sequence[Mapping[str, Any]]) -> str:
    """Says how large a search was: what its winner was chosen from."""
    ends = Counter(row["ended"].partition(":")[0] for row in rows)
    names = {"whole": "to the end", "pruned": "pruned", "diverged": "diverged", "impossible": "impossible",
             "running": "running"}  # fmt: skip
    parts = ", ".join(f"{ends[end]:,} {words}" for end, words in names.items() if ends[end])
    seconds = sum(row["seconds"] or 0.0 for row in rows)
    return f"{count_of(len(rows), 'trial')} ({parts}; {duration(seconds)} of training)"


def _over(folds: int) -> str:
    return f" on average over {folds} inner folds" if folds else ""


def statement(report: Mapping[str, Any]) -> str:
    """Says in a few sentences what was chosen from what, and on what."""
    text = (
        f"Trial {report['best']['number']} has the best accuracy on validation, "
        f"{percent(report['best']['accuracy'])}{_over(report['search'].get('folds', 0))}, of "
        f"{size(report['trials'])}. That number is too high: it is the largest of many."
    )
    if final := report["tested"]:
        seeds = final["seeds"]
        named = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
        text += (
            f" The winner was trained anew with {count_of(len(seeds), 'seed')} that no trial used "
            f"({named}), and each was tested once; no trial read the test split."
        )
        if seen := overlap(final["overlap"]):
            text += f" Its scores on test are too good: {seen}; data.drop_leaks=True leaves such images out."
    return text
