"""The learning-rate range test: some steps at ever larger rates, and the rates that their losses suggest.

References:
    Smith, Cyclical learning rates for training neural networks, WACV 2017, section 3.3 (the test); Howard &
    Gugger, fastai: a layered API for deep learning, 2020 (the exponential rise, the smoothing, the stop, and
    the two rules; its average keeps 0.98, which sees a minimum some fifty steps late).
"""

import contextlib
import math
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from ferjax.cluster.mesh import global_batch
from ferjax.config import stages_of
from ferjax.errors import UserError
from ferjax.training import transfer
from ferjax.training.schedules import rate_factor
from ferjax.training.setup import assemble, open_mesh
from ferjax.training.splits import load_split, train_rows
from ferjax.training.teachers import open_teachers

SMOOTHING = 0.9  # share of the average that is kept at each step
DIVERGED = 4.0  # the test ends when the smoothed loss is so many times its best


class RangeTest(NamedTuple):
    """The result of a range test, as lists and numbers for JSON.

    Attributes:
        rates: the rate of each step that was taken.
        losses: the loss before each step.
        smoothed: their average with exponentially fading weights, corrected for its start.
        steepest: the rate at which the loss falls fastest, by the logarithm of the rate.
        tenth: a tenth of the rate at which the smoothed loss is least.
        diverged: whether the test ended early for it.
        factor: what `schedule.scale_rate` multiplies rates with: write rate / factor in a config.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    steepest: float | None
    tenth: float | None
    diverged: bool
    factor: float


def rising(low: float, high: float, steps: int) -> optax.Schedule:
    """Returns a schedule that rises exponentially from `low` at the first step to `high` at the last."""
    ratio = math.log(high / low) / max(steps - 1, 1)
    return lambda step: low * jax.numpy.exp(ratio * step)


def smooth(losses: np.ndarray, kept: float = SMOOTHING) -> np.ndarray:
    """Smooths losses by an exponential moving average, corrected for its start: float64 `[N]`."""
    average, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = kept * average + (1 - kept) * float(loss)
        smoothed.append(average / (1 - kept**step))
    return np.array(smoothed)


def suggest(rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray) -> tuple[float | None, float | None]:
    """Suggests two rates: of steepest descent, and a tenth of that at the minimum; None if it never falls.

    Steepest is where the mean loss of the next steps, a tenth of all, is furthest below that of as many
    before. Only what comes before the minimum counts, which is that of the smoothed loss.
    """
    window, least = max(len(losses) // 10, 1), int(np.argmin(smoothed))
    places = np.arange(window, least - window + 2)
    falls = [losses[i - window : i].mean() - losses[i : i + window].mean() for i in places]
    if not falls or max(falls) <= 0:
        return None, None
    return float(rates[places[int(np.argmax(falls))]]), float(rates[least] / 10)


def range_test(config: ConfigDict, out: Path, stage: int, low: float, high: float, steps: int) -> RangeTest:
    """Trains a stage's parameters with a rising rate until the loss diverges.

    Args:
        config: of a run; it begins from `init.from` if that is set.
        out: where `init.json` goes then.
        stage: which one, from 1 on.
        low: the first learning rate.
        high: the last one.
        steps: how many.

    Raises:
        UserError: bad input, told in one line.
    """
    if not 0 < low < high < math.inf:
        raise UserError(f"the rates go from --low={low:g} to --high={high:g}; they must be above 0 and rise")
    if steps < 10:
        raise UserError(f"--steps={steps} are too few for a curve; take 10 or more")
    stages = stages_of(config)
    if not 1 <= stage <= len(stages):
        raise UserError(f"there is no stage {stage}; the config has {len(stages)}, counted from 1")
    mesh = open_mesh(config)
    train = load_split(config, "train")
    whole = config.copy_and_resolve_references()
    whole.train.max_steps = 0  # which could leave out the stage
    schedule = rising(low, high, steps)
    teachers = open_teachers(config, train.label_names, mesh)
    parts = assemble(whole, train, mesh, schedule, teachers)
    state = parts.init(np.uint32(config.train.seed))
    if start := transfer.read_source(config, out, parts, train.label_names):
        state, _ = transfer.begin(config, out, parts, state, start)
    rules, train_step = parts.rules[stage - 1], parts.train_steps[stage - 1]

    rates, losses, smoothed, diverged = [], [], np.array([]), False
    with contextlib.closing(train_rows(config, train)) as batches:
        for step in range(steps):
            state, sums = train_step(state, {**global_batch(next(batches), mesh), **parts.shared})
            values = {name: float(value) for name, value in sums.items()}
            loss = rules.cross_entropy * values["loss"] / values["weight"]
            loss += rules.auxiliary * values.get("auxiliary_loss", 0.0) / values["count"]
            beside = rules.cross_entropy * config.affect.weight
            loss += beside * values.get("affect_loss", 0.0) / values["count"]
            if not math.isfinite(loss):
                diverged = True
                break
            rates.append(np.asarray(schedule(step)).item())
            losses.append(loss)
            smoothed = smooth(np.array(losses))
            diverged = bool(smoothed[-1] > DIVERGED * smoothed.min())
            if diverged:
                break
    suggestions = suggest(np.array(rates), np.array(losses), smoothed) if losses else (None, None)
    factor = rate_factor(config.schedule, config.train.batch_size)
    return RangeTest(rates, losses, smoothed.tolist(), *suggestions, diverged, factor)
