"""Learning-rate schedules: functions of the step, and the plateau rule that watches validation."""

import dataclasses
import math
from collections.abc import Callable

import optax
from ml_collections import ConfigDict

from ferjax.registry import SCHEDULES, schedule

# The factor on the learning rate by `scale_rate`, from the batch size over `base_batch`.
SCALES: dict[str, Callable[[float], float]] = {
    "none": lambda ratio: 1.0,
    "linear": lambda ratio: ratio,
    "sqrt": math.sqrt,
}


def rate_factor(config: ConfigDict, batch_size: int) -> float:
    """Returns the factor on every learning rate of a run for its batch size.

    Args:
        config: the group `schedule`: with `scale_rate` linear the batch over `base_batch`, with sqrt the
            square root of that, with none 1.
        batch_size: of all devices together.

    References:
        Goyal et al., Accurate, large minibatch SGD, 2017, section 2.1 (linear); You et al., Large batch
        optimization for deep learning, ICLR 2020, table 1 (square root).
    """
    ratio = batch_size / config.base_batch
    return SCALES[config.scale_rate](ratio)


def create(
    config: ConfigDict, steps_per_epoch: float, total_steps: int, factor: float = 1.0
) -> optax.Schedule:
    """The learning rate as a function of the optimizer step.

    Args:
        config: the group `schedule`; `warmup_epochs` of linear rise go before all schedules but `onecycle`.
        steps_per_epoch: optimizer steps of one pass over the training split, possibly a fraction.
        total_steps: length of the run.
        factor: see `rate_factor`.

    Raises:
        UserError: `schedule.name` stands for nothing.
    """
    rate = config.learning_rate * factor
    entry = SCHEDULES.find(config.name)
    takes_warmup = entry.facts is None or entry.facts.warmup
    warmup = round(config.warmup_epochs * steps_per_epoch) if takes_warmup else 0
    main = entry.target(config, rate, max(total_steps - warmup, 1), steps_per_epoch, **config.options)
    if not warmup:
        return main
    return optax.join_schedules([optax.linear_schedule(rate / warmup, rate, warmup), main], [warmup])


@schedule("constant")
@schedule("plateau")
def constant(
    config: ConfigDict, learning_rate: float, total_steps: int, steps_per_epoch: float
) -> optax.Schedule:
    """Keeps the rate; with `plateau`, `Plateau` scales it by what validation says."""
    del config, total_steps, steps_per_epoch
    return optax.constant_schedule(learning_rate)


@schedule("cosine")
def cosine(
    config: ConfigDict, learning_rate: float, total_steps: int, steps_per_epoch: float
) -> optax.Schedule:
    """Falls to zero at the last step along half a cosine (Loshchilov & Hutter, 2017, without restarts)."""
    del config, steps_per_epoch
    return optax.cosine_decay_schedule(learning_rate, total_steps)


@schedule("step")
def step(
    config: ConfigDict, learning_rate: float, total_steps: int, steps_per_epoch: float
) -> optax.Schedule:
    """Multiplies the rate by `factor` every `every_epochs`."""
    del total_steps
    period = max(round(config.every_epochs * steps_per_epoch), 1)
    return optax.exponential_decay(learning_rate, period, config.factor, staircase=True)


@schedule("onecycle", warmup=False)
def onecycle(
    config: ConfigDict, learning_rate: float, total_steps: int, steps_per_epoch: float
) -> optax.Schedule:
    """Rises to the peak and falls far below the start, along cosines (Smith & Topin, 2018)."""
    del steps_per_epoch
    return optax.cosine_onecycle_schedule(
        max(total_steps, 2), learning_rate, config.rise_fraction, config.start_divisor, config.end_divisor
    )


@dataclasses.dataclass
class Plateau:
    """Multiplies the learning rate by `factor` after `patience` validations without a better score.

    The rule of PyTorch's ReduceLROnPlateau with mode max: more than `patience` bad validations in a row.

    Attributes:
        factor: in (0, 1).
        patience: validations without improvement before the rate falls.
        scale: the current factor on the learning rate, in (0, 1].
        best: best score so far.
        bad: validations since the best.
    """

    factor: float
    patience: int
    scale: float = 1.0
    best: float = -1e300  # below every score, and JSON has no infinity
    bad: int = 0

    def update(self, score: float) -> float:
        """Updates the rule with a validation's accuracy, or minus its loss, and returns the new scale."""
        if score > self.best:
            self.best, self.bad = score, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.scale *= self.factor
            self.bad = 0
        return self.scale
