"""When the loop logs, validates, saves and ends."""

import dataclasses

from ml_collections import ConfigDict

from ferjax.training.plan import Plan


@dataclasses.dataclass(frozen=True)
class Cadence:
    """The steps after which something is due.

    Attributes:
        plan: the run's lengths.
        start: the step that this start of the run goes on from.
        log_every: steps between two log rows.
        save_every: steps between two checkpoints beside those after validations; 0: none.
        steps_per_call: the most steps that the device takes at one call.
    """

    plan: Plan
    start: int
    log_every: int
    save_every: int
    steps_per_call: int

    @classmethod
    def create(cls, config: ConfigDict, plan: Plan, start: int) -> "Cadence":
        """Reads the intervals from the groups `train` and `checkpoint`."""
        return cls(
            plan, start, config.train.log_every, config.checkpoint.every_steps, config.train.steps_per_call
        )

    def logs(self, step: int) -> bool:
        """Checks whether to log this step; the first of a start and of a stage are logged too."""
        first = step - 1 == self.start or step - 1 in self.plan.starts
        return first or step % self.log_every == 0 or self.saves(step)

    def saves(self, step: int) -> bool:
        """Checks whether a checkpoint follows this step."""
        regular = self.save_every > 0 and step % self.save_every == 0
        return regular or self.plan.evaluates(step)

    def steps_of_next_call(self, step: int) -> int:
        """Returns how many steps to take at once after `step` steps: no further than to what is due."""
        for count in range(1, self.steps_per_call):
            if self.logs(step + count):
                return count
        return self.steps_per_call
