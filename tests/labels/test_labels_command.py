"""The verb trains folds with one compilation, goes on, reuses runs, and tells bad input in one line."""

import json

import numpy as np
import pytest
import tiny

from ferjax.data import load
from ferjax.errors import UserError
from ferjax.labels import folds, run
from ferjax.labels.whole_set import open_set
from ferjax.runs import predictions
from ferjax.scores.calibration import with_temperature
from ferjax.training import prepared


@pytest.mark.slow
def test_folds_share_one_compilation_and_are_not_trained_twice(tiny_model, tiny_run, tmp_path, monkeypatch):
    made = []

    def counted(*arguments, **others):
        made.append(assemble(*arguments, **others))
        return made[-1]

    assemble = folds.assemble
    for module in (folds, prepared):
        monkeypatch.setattr(module, "assemble", counted)
    config = tiny_run.config(train__epochs=1.0, data__label_noise=0.2)
    written = run.from_folds(config, {}, tmp_path / "out", 3, shown=5)
    assert len(made) == 1
    assert made[0].train_steps[0]._cache_size() == 1
    numbers = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert numbers["planted"]["share"] == pytest.approx(28 / 203)
    workdirs = [tmp_path / "out" / "folds" / f"fold-{number}-of-3" for number in (1, 2, 3)]
    results = [tiny.result(workdir) for workdir in workdirs]
    assert sum(sum(map(sum, result["test"]["confusion_matrix"])) for result in results) == 203
    assert results[0]["relabel"]["file"] == str(tmp_path / "out" / run.PLANTED)
    page = written.page.read_text()
    assert "13.8% of the labels were made wrong on purpose" in page
    first = np.load(tmp_path / "out" / "probabilities.npz")["probabilities"]
    np.testing.assert_allclose(first.sum(1), 1, rtol=1e-5)
    # They are calibrated by the temperature of each fold's own validation images.
    for workdir, result in zip(workdirs, results, strict=True):
        logs = predictions.read(predictions.place(workdir, "fer2013", "test", "npz")).log_probabilities
        calibrated = np.exp(with_temperature(logs, result["probabilities"]["temperature"]))
        assert {*calibrated[:, 0].astype(np.float32)} <= {*first[:, 0]}

    made.clear()
    again = run.from_folds(config, {}, tmp_path / "out", 3, shown=5)
    assert not made
    assert again.numbers["noise"] == written.numbers["noise"]
    # The file is one of those that --probabilities takes; the runs of all folds are read as they are.
    config.data.relabel, config.data.label_noise = str(tmp_path / "out" / run.PLANTED), 0.0
    read = run.from_file(config, tmp_path / "out" / "probabilities.npz", tmp_path / "file")
    assert read.numbers["noise"] == written.numbers["noise"]
    reused = run.from_folds(config, dict(map(folds.finished, workdirs)), tmp_path / "reused", shown=5)
    assert not made
    assert reused.numbers["pairs"] == written.numbers["pairs"]
    assert not list((tmp_path / "reused" / "folds").glob("fold-*"))
    planted = tmp_path / "out" / run.PLANTED
    planted.write_text("\n".join(planted.read_text().splitlines()[:-1]))
    with pytest.raises(
        UserError, match=r"was not tested on the fer2013 that is in .*: its images or labels are"
    ):
        run.from_folds(config, dict(map(folds.finished, workdirs)), tmp_path / "other", shown=5)


@pytest.mark.slow
def test_one_split_alone(tiny_model, tiny_run, tmp_path):
    config = tiny_run.config(train__epochs=0.5)
    numbers = run.from_folds(config, {}, tmp_path / "out", 2, shown=5, split="train").numbers
    stored = load("fer2013", "train", tiny_run.data)
    assert set(numbers["flagged"]["splits"]) == {"train"}
    assert numbers["splits"] == {"train": len(stored)}
    workdirs = [tmp_path / "out" / "folds" / f"fold-{number}-of-2" for number in (1, 2)]
    runs = dict(map(folds.finished, workdirs))
    assert [held.data.fold for held in runs.values()] == ["train:1/2", "train:2/2"]
    assert run.from_folds(config, runs, tmp_path / "again", shown=5).numbers["pairs"] == numbers["pairs"]
    # Wrong labels of train are planted as they are without --split.
    noisy = tiny_run.config(data__label_noise=0.2)
    alone, whole = open_set(noisy, 2, "train"), open_set(noisy, 2)
    assert alone.planted.any()
    np.testing.assert_array_equal(alone.labels, whole.labels[whole.splits == "train"])
    assert not open_set(noisy, 2, "test").planted.any()


@pytest.mark.slow
def test_bad_input(never_killed, tiny_run, shell, tmp_path):
    data, out = f"--data_dir={tiny_run.data}", f"--out={tmp_path / 'out'}"
    unfinished = tmp_path / "unfinished"
    (unfinished / "checkpoints").mkdir(parents=True)
    (unfinished / "config.json").write_bytes((never_killed / "config.json").read_bytes())
    nothing = tmp_path / "nothing.npz"
    np.savez(nothing, mine=np.zeros(3))
    for arguments, words in (
        ([], "name a run or a built set"),
        (["fer201"], "is no run (it holds no config.json), and there is no data set 'fer201'; the nearest"),
        (["fer2013", data], "fer2013 is a set: name the recipe that is trained on its folds"),
        (["fer2013", "expw", data], "fer2013 is no run"),
        (["fer2013", data, f"--probabilities={nothing}"], "holds no probabilities"),
        (["fer2013", f"--config={tiny.CONFIG}", data, "--folds=100"], "too few examples for 100 folds"),
        (["fer2013", f"--config={tiny.CONFIG}", data, "--split=dev"], "flag --split=dev"),
        (["fer2013", f"--config={tiny.CONFIG}", data, "--split=dev"], "flag --split=dev"),
        ([unfinished], "is not finished; start its command again"),
        ([never_killed, "--config=resemotenet"], "--config changes nothing here: a run has its own"),
        ([never_killed, never_killed, "--folds=1"], "flag --folds=1"),
        ([never_killed, "--folds=100", out], "too few examples for 100 folds"),
    ):
        assert words in tiny.only_line(shell("labels", *arguments)), arguments
