"""The loop's counters: what is best, when to lower the rate, when to stop."""

import dataclasses
from typing import Any, Self

from ml_collections import ConfigDict

from ferjax.training.schedules import Plateau


@dataclasses.dataclass
class Progress:
    """What a run knows beside its `TrainState`; stored as JSON with each checkpoint.

    Attributes:
        best_step: of the highest validation accuracy, the first if several; −1 before any.
        best: the validation scores of that step.
        bad_evaluations: validations since.
        plateau: the plateau rule's counters.
        seconds: of the loop over all starts, evaluations and saving included.
        training_seconds: of these, in training steps, without the first, which compiles.
        waited_seconds: of these, waiting for data.
        images: trained on in `training_seconds`.
    """

    plateau: Plateau
    best_step: int = -1
    best: dict[str, float] = dataclasses.field(default_factory=dict)
    bad_evaluations: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    waited_seconds: float = 0.0
    images: int = 0

    @classmethod
    def start(cls, config: ConfigDict) -> Self:
        """Of a new run."""
        return cls(Plateau(config.schedule.factor, config.schedule.patience))

    def start_stage(self, config: ConfigDict) -> None:
        """A new stage: the learning rate and the patience are whole again, the best step stays."""
        self.plateau = Plateau(config.schedule.factor, config.schedule.patience)
        self.bad_evaluations = 0

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Self:
        """Of a checkpoint's meta, which may hold more."""
        fields = {field.name: meta[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**fields, "plateau": Plateau(**fields["plateau"])})

    def judge(self, step: int, scores: dict[str, float]) -> None:
        """Takes the validation scores of a step."""
        if self.best_step < 0 or scores["accuracy"] > self.best["accuracy"]:
            self.best_step, self.best, self.bad_evaluations = step, scores, 0
        else:
            self.bad_evaluations += 1
        self.plateau.update(scores["accuracy"])

    def out_of_patience(self, config: ConfigDict) -> bool:
        """Whether `train.early_stop_patience` ends the run."""
        patience = config.train.early_stop_patience
        return bool(patience) and self.bad_evaluations > patience
