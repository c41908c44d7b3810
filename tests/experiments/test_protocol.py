"""What each habit of the field does to the number: the choices, the intervals, and bad input."""

import json

import numpy as np
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.experiments import protocol as experiment
from ferjax.experiments.protocol import best_seed, expected_largest, one_seed, protocol, stopped_early, table
from ferjax.platform import outputs

# Rate → accuracies on validation and on test after each of three epochs; seed 1 has a tenth more on test.
CURVES = {
    0.5: ([0.3, 0.4, 0.5], [0.30, 0.62, 0.40]),
    1.0: ([0.4, 0.7, 0.6], [0.45, 0.50, 0.55]),
    2.0: ([0.2, 0.3, 0.6], [0.20, 0.40, 0.60]),
}


class Trained:
    """Takes the place of the runner: the runs are those of `CURVES`; with copies each is 20 points better."""

    def __init__(self):
        self.configs = []

    def run_all(self, runs):
        return [self.run(config, workdir) for config, workdir in runs]

    def run(self, config, folder):
        seed = config.train.seed
        self.configs.append((folder.parent.name, seed, config))
        rate = round(config.schedule.learning_rate / 0.01, 3)
        validation, test = (np.array(curve) for curve in CURVES[rate])
        test = test + 0.1 * seed + 0.2 * (not config.data.drop_leaks)
        folder.mkdir(parents=True)
        rows = [
            {"step": step, "split": split, "accuracy": float(curve[step])}
            for split, curve in (("validation", validation), ("test_each_validation", test))
            for step in range(3)
        ]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        best = int(validation.argmax())
        return {
            "model": "tiny", "dataset": "mine", "split_digests": {"test": "d"}, "seconds": 1.0,
            "validation": {"accuracy": float(validation[best])}, "test": {"accuracy": float(test[best])},
            "best_on_test": {"accuracy": float(test.max())},
        }  # fmt: skip


def config(**fields):
    return tiny.tiny_configuration(schedule__learning_rate=0.01, train__seed=0, **fields)


@pytest.fixture
def measured(tmp_path, monkeypatch, tiny_model):
    monkeypatch.setattr(experiment, "_copies", lambda config: 7)
    runner = Trained()
    return protocol(config(), tmp_path, 2, (0.5, 1.0, 2.0), 1, runner), runner, tmp_path


def test_each_habit_changes_one_thing(measured):
    found, runner, folder = measured
    habits = found["habits"]
    # The rate 1 is best on validation, at its second epoch.
    assert habits["epoch"]["honest"] == pytest.approx([0.50, 0.60])
    assert habits["epoch"]["habit"] == pytest.approx([0.55, 0.65])
    assert habits["rate"]["habit"] == pytest.approx([0.60, 0.70])  # the rate 2, at its epoch of validation
    assert habits["early_stop"]["honest"] == pytest.approx([0.50, 0.60])
    assert habits["early_stop"]["habit"] == pytest.approx([0.55, 0.65])
    assert habits["copies"]["difference"] == pytest.approx(0.2)
    assert habits["best_seed"]["difference"] == pytest.approx(0.05)
    assert habits["epoch"]["interval"] == pytest.approx([0.05, 0.05], abs=1e-9)
    assert json.loads((folder / "protocol.json").read_text()) == found
    outputs.check("protocol", folder / "protocol.json", folder / "protocol.md")  # it may be measured again
    leaks = {name: each.data.drop_leaks for name, _, each in runner.configs}
    assert leaks == {"rate-0.5": True, "rate-1": True, "rate-2": True, "copies": False}
    assert all(each.eval.also_best_on_test for _, _, each in runner.configs)
    text = table(found)
    assert "the best of 2 seeds is reported" in text
    assert "+20.00" in text


def test_a_set_without_copies_says_so(tmp_path, monkeypatch, tiny_model):
    monkeypatch.setattr(experiment, "_copies", lambda config: 0)
    found = protocol(config(), tmp_path, 2, (0.5, 1.0), 1, Trained())
    assert found["habits"]["copies"] is None
    assert "copies of test images stay in train (there are none)" in table(found)


def test_early_stopping_waits_as_long_as_it_is_told():
    test = [0.6, 0.5, 0.5, 0.9]
    assert stopped_early(test, test, 1) == (0.6, 0.6)
    assert stopped_early(test, test, 2) == (0.6, 0.6)
    assert stopped_early(test, test, 3) == (0.9, 0.9)


def test_intervals_of_single_and_best_seeds_hold_as_often_as_they_say():
    generator, inside, gains = np.random.default_rng(0), 0, 0
    for _ in range(400):
        *seeds, another = generator.normal(0.7, 0.02, 6)
        low, high = one_seed(seeds)["interval"]
        inside += low <= another - np.mean(seeds) <= high
        low, high = best_seed(seeds)["interval"]
        gains += low <= 0.02 * expected_largest(5) <= high
    assert 0.92 < inside / 400 < 0.98
    assert 0.92 < gains / 400 < 0.98


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((1, (0.5, 1.0), 3), "--seeds=1: an interval over seeds needs at least two"),
        ((2, (1.0,), 3), "--rates=1: it takes positive factors"),
        ((2, (0.5, 2.0), 3), "1 among them"),
        ((2, (-1.0, 1.0), 3), "it takes positive factors"),
        ((2, (float("nan"), 1.0), 3), "it takes positive factors"),
        ((2, (0.5, 1.0), 0), "--patience=0: it takes at least 1"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(tmp_path, tiny_model, arguments, told):
    with pytest.raises(UserError, match=told):
        protocol(config(), tmp_path, *arguments, Trained())
    assert not list(tmp_path.iterdir())


def test_scores_on_test_that_are_not_there_are_told(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "split": "validation", "accuracy": 0.5}\n')
    with pytest.raises(UserError, match="holds no scores on test"):
        experiment._curves(tmp_path)
