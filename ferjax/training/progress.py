"""The loop's counters: what is best, when to lower the rate, when to stop."""

import dataclasses
from typing import Any, Self

from ml_collections import ConfigDict

from ferjax.training.schedules import Plateau


@dataclasses.dataclass
class Progress:
    """The counters of a run beside its `TrainState`; stored as JSON with each checkpoint.

    Attributes:
        best_step: the step of the highest validation accuracy, or without classes of the lowest validation
            loss; the first if several; −1 before any.
        best: the validation scores of that step.
        bad_evaluations: validations since the best one.
        plateau: the plateau rule's counters.
        seconds: time in the loop over all starts, evaluations and saving included.
        training_seconds: the part of it in training steps, without the first, which compiles.
        waited_seconds: the part of it spent waiting for data.
        images: images trained on in `training_seconds`.
        best_on_test: the test scores of the step that is best on test, and the `step`; only with
            `eval.also_best_on_test`. Nothing is ever chosen by it.
    """

    plateau: Plateau
    best_step: int = -1
    best: dict[str, float] = dataclasses.field(default_factory=dict)
    bad_evaluations: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    waited_seconds: float = 0.0
    images: int = 0
    best_on_test: dict[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def start(cls, config: ConfigDict) -> Self:
        """Returns the counters of a new run."""
        return cls(Plateau(config.schedule.factor, config.schedule.patience))

    def start_stage(self, config: ConfigDict) -> None:
        """Resets the plateau rule and the patience for a new stage; the best step stays."""
        self.plateau = Plateau(config.schedule.factor, config.schedule.patience)
        self.bad_evaluations = 0

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Self:
        """Reads the counters from a checkpoint's meta, which may hold more."""
        # Earlier versions' checkpoints have no `best_on_test`.
        meta = {"best_on_test": {}, **meta}
        fields = {field.name: meta[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**fields, "plateau": Plateau(**fields["plateau"])})

    def judge(self, step: int, scores: dict[str, float]) -> None:
        """Updates the counters with the validation scores of a step."""
        if self.best_step < 0 or _merit(scores) > _merit(self.best):
            self.best_step, self.best, self.bad_evaluations = step, scores, 0
        else:
            self.bad_evaluations += 1
        self.plateau.update(_merit(scores))

    def keep_best_on_test(self, step: int, scores: dict[str, float]) -> None:
        """Keeps the test scores of the step that is best on test; no counter of the loop looks at them."""
        if not self.best_on_test or scores["accuracy"] > self.best_on_test["accuracy"]:
            self.best_on_test = {"step": step, **scores}


def _merit(scores: dict[str, float]) -> float:
    """Returns what chooses the best step, the accuracy, or without one minus the loss."""
    return scores["accuracy"] if "accuracy" in scores else -scores["loss"]
