"""The range test: its rule on curves that are known, and the command on the tiny network."""

import json
import re

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config import set_stages
from ferjax.errors import UserError
from ferjax.training import lr_find

RATES = np.geomspace(1e-6, 10, 81)


def test_the_rates_rise_by_the_same_factor():
    schedule = lr_find.rising(1e-6, 10, 81)
    np.testing.assert_allclose([float(schedule(step)) for step in range(81)], RATES, rtol=1e-4)


def test_steepest_descent_and_a_tenth_of_the_minimum():
    x = np.log10(RATES)
    falls = 2 - 1 / (1 + np.exp(-4 * (x + 3))) + np.where(x > -1, (x + 1) ** 2, 0)
    steepest, tenth = lr_find.suggest(RATES, falls, falls)
    assert steepest == pytest.approx(1e-3, rel=0.3)
    assert tenth == pytest.approx(1e-2, rel=0.3)
    least = int(np.argmin(falls))
    falls[least + 1 :] = np.linspace(9, -1e3, len(falls) - least - 1) + 1e3 + 9  # falls again, but too late
    assert lr_find.suggest(RATES, falls, falls) == (steepest, tenth)


def test_a_loss_that_only_rises_suggests_nothing():
    rising = np.arange(81.0)
    assert lr_find.suggest(RATES, rising, rising) == (None, None)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(0, 0.99))
def test_smoothing_is_a_weighted_mean_of_what_came(losses, kept):
    found = lr_find.smooth(np.array(losses), kept)
    for step in range(len(losses)):
        weights = kept ** np.arange(step, -1, -1.0)
        assert found[step] == pytest.approx(np.average(losses[: step + 1], weights=weights), abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": 1.0, "high": 0.5}, "they must be above 0 and rise"),
        ({"low": 0.0}, "they must be above 0 and rise"),
        ({"steps": 5}, "too few for a curve"),
        ({"stage": 0}, "there is no stage 0; the config has 2"),
        ({"stage": 3}, "there is no stage 3; the config has 2"),
    ],
)
def test_bad_arguments(changes, words, tmp_path):
    config = tiny.tiny_configuration()
    set_stages(config, {}, {})
    arguments = {"stage": 1, "low": 1e-5, "high": 1.0, "steps": 20, **changes}
    with pytest.raises(UserError, match=words):
        lr_find.range_test(config, tmp_path, **arguments)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_model")
def test_it_trains_the_stages_own_parameters_until_the_loss_diverges(tiny_run, tmp_path, never_killed):
    config = tiny_run.config(optimizer__clip_norm=0.0, train__max_steps=3)
    set_stages(config, {"freeze": "conv"}, {})
    config.init["from"] = str(never_killed)
    found = lr_find.range_test(config, tmp_path, stage=2, low=1e-3, high=1e4, steps=40)
    assert found.diverged
    assert 10 < len(found.rates) == len(found.losses) < 40
    np.testing.assert_allclose(found.rates, np.geomspace(1e-3, 1e4, 40)[: len(found.rates)], rtol=1e-3)
    assert found.factor == 1
    assert json.loads((tmp_path / "init.json").read_text())["network"] == "tiny"
    frozen = lr_find.range_test(config, tmp_path, stage=1, low=1e-3, high=1e4, steps=12)
    assert frozen.losses[0] == pytest.approx(found.losses[0], rel=1e-4)
    assert frozen.losses[1:] != found.losses[1 : len(frozen.losses)]


@pytest.mark.slow
def test_the_command(tiny_run, tmp_path, shell):
    out = tmp_path / "found"
    arguments = [f"--config={tiny.CONFIG}", f"--config.data.dir={tiny_run.data}", f"--out={out}",
                 "--steps=60", "--low=1e-3", "--high=3", "--config.train.batch_size=64",
                 "--config.loss.class_weights=none", "--config.model.dropout=0.0"]  # fmt: skip
    done = shell("lr-find", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = json.loads((out / "lr_find.json").read_text())
    assert (found["model"], found["stage"]) == ("tiny", 1)
    told = re.search(r"steepest descent  (\S+)\nminimum / 10      (\S+)", done.stdout)
    assert float(told[1]) == pytest.approx(found["steepest"], rel=0.01)
    assert float(told[2]) == pytest.approx(found["tenth"], rel=0.01)
    assert (out / "lr_find.png").read_bytes().startswith(b"\x89PNG")
    line = tiny.only_line(shell("lr-find", *arguments, "--stage=2"))
    assert line == "there is no stage 2; the config has 1, counted from 1"
