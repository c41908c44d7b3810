"""How long a run is: epochs turned into steps, stage by stage."""

import bisect
import dataclasses
import sys

from ml_collections import ConfigDict

from ferjax.config import stages_of


@dataclasses.dataclass(frozen=True)
class Plan:
    """Lengths in steps.

    Attributes:
        ends: the step at which each stage ends, ascending.
        evaluate_every: steps between validations.
        per_epoch: steps of one pass over the training split, possibly a fraction.
    """

    ends: tuple[int, ...]
    evaluate_every: int
    per_epoch: float

    @property
    def total(self) -> int:
        """Total steps of the run."""
        return self.ends[-1]

    @property
    def starts(self) -> tuple[int, ...]:
        """Steps taken before each stage begins."""
        return (0, *self.ends[:-1])

    def stage(self, step: int) -> int:
        """Returns the stage, from 0 on, of the next step after `step` steps; the last one at the end."""
        return min(bisect.bisect_right(self.ends, step), len(self.ends) - 1)

    def begins_stage(self, step: int) -> bool:
        """Checks whether a stage other than the first begins after `step` steps."""
        return step in self.starts[1:]

    def evaluates(self, step: int) -> bool:
        """Checks whether a validation follows this step: always a stage's last, and none just before it."""
        stage = self.stage(step - 1)
        start, end = self.starts[stage], self.ends[stage]
        regular = (step - start) % self.evaluate_every == 0 and end - step >= self.evaluate_every / 2
        return regular or step == end


def plan(config: ConfigDict, examples: int) -> Plan:
    """Turns epochs into steps; an epoch trains on `examples` images, some of them twice if balanced."""
    per_epoch = examples / config.train.batch_size
    last = config.train.max_steps or sys.maxsize
    ends: list[int] = []
    for stage in stages_of(config):
        end = (ends[-1] if ends else 0) + max(round(stage.epochs * per_epoch), 1)
        ends.append(min(end, last))
        if end >= last:
            break
    return Plan(tuple(ends), max(round(config.eval.every_epochs * per_epoch), 1), per_epoch)
