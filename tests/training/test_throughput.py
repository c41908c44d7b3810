import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.training import throughput
from ferjax.training.progress import Progress
from ferjax.training.throughput import Meter


@pytest.fixture
def progress():
    return Progress.start(ConfigDict({"schedule": {"factor": 0.1, "patience": 5}}))


def sums(loss, weight, correct, count, rate=0.1):
    names = ("loss", "weight", "correct", "count", "learning_rate")
    values = (loss, weight, correct, count, rate)
    return {name: jnp.float32(value) for name, value in zip(names, values, strict=True)}


def test_a_report_is_sums_divided_not_a_mean_of_means(progress):
    meter = Meter(progress)
    meter.add(1, sums(loss=6.0, weight=2.0, correct=1, count=4, rate=0.5))  # means 3 and 0.25
    meter.add(2, sums(loss=8.0, weight=8.0, correct=8, count=8, rate=0.25))  # means 1 and 1
    values = meter.report()
    assert values == {"loss": pytest.approx(1.4), "accuracy": pytest.approx(0.75), "learning_rate": 0.25}


def test_each_report_starts_anew_and_only_the_first_has_no_speed(progress, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    meter = Meter(progress)
    meter.add(1, sums(5.0, 1.0, 0, 4))
    assert "images_per_second" not in meter.report()
    assert progress.images == 0
    meter.add(2, sums(1.0, 2.0, 3, 4))
    with meter.waiting():
        now[0] += 0.5
    now[0] += 1.5
    values = meter.report()
    assert values["loss"] == pytest.approx(0.5)
    assert values["images_per_second"] == pytest.approx(4 / 2)
    assert progress.training_seconds == 2
    assert (progress.images, progress.waited_seconds) == (4, 0.5)
    now[0] += 5  # a validation
    meter.count_time()
    assert progress.seconds == 7
    meter.start()
    now[0] += 1
    meter.add(3, sums(1.0, 2.0, 3, 8))
    meter.report()
    assert (progress.images, progress.waited_seconds) == (12, 0.5)


def test_a_call_of_several_steps_is_as_many_calls(progress):
    one, other = Meter(progress), Meter(progress)
    steps = [sums(6.0, 2.0, 1, 4, rate=0.5), sums(8.0, 8.0, 8, 8, rate=0.25)]
    for number, step in enumerate(steps, start=1):
        one.add(number, step)
    # The third step was not taken.
    stacked = {name: jnp.stack([*(step[name] for step in steps), jnp.float32(jnp.nan)]) for name in steps[0]}
    other.add(2, stacked, count=2)
    assert one.report() == other.report()
    stacked["loss"] = stacked["loss"].at[1].set(jnp.inf)
    other.add(12, stacked, count=2)
    with pytest.raises(UserError, match="the loss is inf at step 12"):
        other.report()


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_the_first_step_that_is_not_finite_is_told(progress, loss):
    meter = Meter(progress)
    meter.add(4, sums(1.0, 1.0, 0, 1))
    meter.add(5, sums(loss, 1.0, 0, 1))
    meter.add(6, sums(float("nan"), 1.0, 0, 1))
    with pytest.raises(UserError, match=f"^the loss is {loss} at step 5: the run has diverged; lower"):
        meter.report()
