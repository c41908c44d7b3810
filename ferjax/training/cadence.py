"""After which steps the loop logs, validates, saves and ends."""

import dataclasses

from ml_collections import ConfigDict

from ferjax.training.plan import Plan
from ferjax.training.progress import Progress


@dataclasses.dataclass(frozen=True)
class Cadence:
    """The steps after which something is due.

    Attributes:
        plan: the run's lengths.
        start: the step that this start of the run goes on from.
        log_every: steps between two log rows.
        save_every: steps between two checkpoints beside those after validations; 0: none.
        steps_per_call: the most steps that the device takes at one call.
        patience: validations without improvement after which the last stage ends; 0: no limit.
    """

    plan: Plan
    start: int
    log_every: int
    save_every: int
    steps_per_call: int
    patience: int

    @classmethod
    def create(cls, config: ConfigDict, plan: Plan, start: int) -> "Cadence":
        """Reads the intervals from the groups `train` and `checkpoint`."""
        train = config.train
        return cls(
            plan=plan,
            start=start,
            log_every=train.log_every,
            save_every=config.checkpoint.every_steps,
            steps_per_call=train.steps_per_call,
            patience=train.early_stop_patience,
        )

    def logs(self, step: int) -> bool:
        """Checks whether to log this step; the first of a start and of a stage are logged too."""
        first = step - 1 == self.start or step - 1 in self.plan.starts
        return first or step % self.log_every == 0 or self.saves(step)

    def evaluates(self, step: int) -> bool:
        """Checks whether a validation follows this step."""
        return self.plan.evaluates(step)

    def saves(self, step: int) -> bool:
        """Checks whether a checkpoint follows this step: after every validation, and regularly."""
        return self.evaluates(step) or (self.save_every > 0 and step % self.save_every == 0)

    def ended(self, step: int, progress: Progress) -> bool:
        """Checks whether no step follows; patience can end the last stage alone."""
        impatient = 0 < self.patience < progress.bad_evaluations and step > self.plan.starts[-1]
        return impatient or step >= self.plan.total

    def steps_of_next_call(self, step: int) -> int:
        """Returns how many steps to take at once after `step` steps: up to the next one that is logged.

        Every step that is validated or saved, and so every stage's last, is logged too.
        """
        for count in range(1, self.steps_per_call):
            if self.logs(step + count):
                return count
        return self.steps_per_call
