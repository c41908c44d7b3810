"""Compares a run that was trained again with the recorded one: bit for bit, or within a tolerance."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.experiments.repeat import SCORES
from ferjax.files import plain
from ferjax.pack.environment import platform_of
from ferjax.report.run import Run, read_run
from ferjax.runs.predictions import Predictions

# What of a result must be the same where the platform is; the rest says how long it took, where and when.
_STEADY = (
    "model", "label_names", "best_step", "steps", "epochs", "validation", "test", "seed", "split_digests",
    "probabilities", "affect", "best_on_test", "parameters",
)  # fmt: skip
# Metrics of the time that steps took.
_UNSTEADY_METRICS = ("images_per_second", "data_wait_fraction", "seconds")


@dataclasses.dataclass(frozen=True)
class Compared:
    """How a run that was trained again compares with the recorded one.

    Attributes:
        elsewhere: what of the platform differs, one text each; empty on the same platform.
        differing: which recorded numbers are others, by name; empty if all are the same, bit for bit.
        scores: name → the recorded test score, and the one of now.
        tolerance: how much scores may differ elsewhere.
    """

    elsewhere: tuple[str, ...]
    differing: tuple[str, ...]
    scores: Mapping[str, tuple[float, float]]
    tolerance: float

    @property
    def largest(self) -> float:
        """The largest difference of a test score."""
        return max(abs(now - recorded) for recorded, now in self.scores.values())

    @property
    def reproduced(self) -> bool:
        """Whether the numbers are the same on the same platform, or the scores near enough elsewhere."""
        return not self.differing or (bool(self.elsewhere) and self.largest <= self.tolerance)


def compare(
    recorded: Path, again: Path, tolerance: float, more: Mapping[str, tuple[Any, Any]] | None = None
) -> Compared:
    """Compares two finished runs of one config.

    Args:
        recorded: the folder of the run that was packed.
        again: the folder of the run that was trained again.
        tolerance: how much test scores may differ on another platform, in [0, 1].
        more: further facts of the platform: name → recorded, and of now.

    Raises:
        UserError: one is damaged or unfinished.
    """
    first, second = read_run(recorded), read_run(again)
    results = (first.result or {}, second.result or {})
    platforms = [platform_of(result) for result in results]
    for name, values in (more or {}).items():
        for place, value in zip(platforms, values, strict=True):
            place[name] = value
    return Compared(
        tuple(_differences(*platforms)),
        tuple(_other_numbers(first, second)),
        {name: (results[0]["test"][name], results[1]["test"][name]) for name in SCORES},
        tolerance,
    )


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    if not (first["machine is recorded"] and second["machine is recorded"]):
        return ["the machine was not recorded"]
    return [
        f"{name} was {first.get(name)}, is {second.get(name)}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]


def _other_numbers(first: Run, second: Run) -> list[str]:
    """Names the numbers that are not the same in every bit. JSON holds floats whole."""
    one, other = first.result or {}, second.result or {}
    names = [name for name in _STEADY if plain(one.get(name)) != plain(other.get(name))]
    if _steady_rows(first) != _steady_rows(second):
        names.append("metrics.jsonl")
    for split in ("validation", "test"):
        recorded, now = getattr(first, split), getattr(second, split)
        if recorded is not None and not _same_predictions(recorded, now):
            names.append(f"predictions for {split}")
    return names


def _steady_rows(run: Run) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in _UNSTEADY_METRICS} for row in run.rows]


def _same_predictions(first: Predictions, second: Predictions | None) -> bool:
    if second is None:
        return False
    arrays = ("indices", "labels", "log_probabilities", "affect")
    return all(_same(getattr(first, name), getattr(second, name)) for name in arrays)


def _same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
