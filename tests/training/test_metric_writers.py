import io
import json
import subprocess
import sys

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.training import metric_writers


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ticking(*times):
    return iter(times).__next__


TRAIN = {"loss": 1.25, "accuracy": 0.5512, "learning_rate": 1e-4, "images_per_second": 2345.6}


def test_a_log_file_has_one_line_a_write():
    log = io.StringIO()
    console = metric_writers.ConsoleWriter(28700, log, clock=ticking(100.0, 110.0))
    console.write(100, "train", TRAIN)
    console.write(200, "train", TRAIN)
    console.write(200, "validation", {"loss": 1.1, "accuracy": 0.6, "learning_rate": 1e-5})
    console.close()
    assert log.getvalue().splitlines() == [
        "step    100/28,700  loss 1.2500  accuracy 55.12%  2,346 images/s  -:--:-- left",
        "step    200/28,700  loss 1.2500  accuracy 55.12%  2,346 images/s  0:47:30 left",
        ">> validation at step 200:  loss 1.1000  accuracy 60.00%  learning_rate 1e-05",
    ]


def test_a_terminal_line_is_rewritten_and_validation_stays(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    console = metric_writers.ConsoleWriter(20, terminal, clock=ticking(0.0, 1.0, 2.0))
    console.write(10, "train", {"loss": 2.0})
    console.write(15, "train", TRAIN)
    console.write(15, "validation", {"loss": 1.0})
    console.write(20, "train", {"loss": 0.5})
    console.close()
    assert terminal.getvalue() == (
        "\rstep 10/20  loss 2.0000  -:--:-- left\x1b[K"
        "\rstep 15/20  loss 1.2500  accuracy 55.12\x1b[K\n"
        "\x1b[1m>> validation at step 15:  loss 1.0000\x1b[0m\n"
        "\rstep 20/20  loss 0.5000  0:00:00 left\x1b[K\n"
    )


def test_the_console_is_ascii_and_shows_nan():
    log = io.StringIO()
    console = metric_writers.ConsoleWriter(10, log)
    console.write(1, "train", {"loss": float("nan"), "accuracy": np.float32(0.5)})
    assert "loss nan" in log.getvalue()
    assert log.getvalue().isascii()


def test_rows_come_back_and_nan_is_null(tmp_path):
    path = tmp_path / "run" / "metrics.jsonl"
    writer = metric_writers.JsonlWriter(path)
    writer.write(1, "train", {"loss": np.float32(0.5), "accuracy": float("nan")})
    writer.write(np.int64(2), "validation", {"loss": float("inf")})
    # Read before close: each line is flushed.
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "split": "train", "loss": 0.5, "accuracy": None},
        {"step": 2, "split": "validation", "loss": None},
    ]
    writer.close()
    assert [p.name for p in path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_resumed_file_drops_later_rows_and_a_line_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = metric_writers.JsonlWriter(path)
    for step in (10, 20, 30):
        writer.write(step, "train", {"loss": step / 10})
    writer.close()
    whole = path.read_text()
    path.write_text(whole + '{"step": 40, "spl')

    writer = metric_writers.JsonlWriter(path, resume_step=20)
    for step in (30, 40):
        writer.write(step, "train", {"loss": step / 10})
    writer.close()
    assert path.read_text() == whole + '{"step": 40, "split": "train", "loss": 4.0}\n'


def test_a_new_run_starts_an_empty_file(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0, "split": "validation"}\n')
    metric_writers.JsonlWriter(path).close()
    assert path.read_text() == ""


def test_resuming_without_a_file_starts_one(tmp_path):
    metric_writers.JsonlWriter(tmp_path / "metrics.jsonl", resume_step=5).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_foreign_file_is_not_resumed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(UserError, match="line 1 is not a JSON object with step, split"):
        metric_writers.JsonlWriter(path, resume_step=5)
    assert path.read_text() == '{"a": 1}\n'


def test_a_metric_cannot_take_the_rows_own_names(tmp_path):
    writer = metric_writers.JsonlWriter(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match="step or split"):
        writer.write(1, "train", {"step": 2.0})
    writer.close()


def scalars(directory, tag):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = event_accumulator.EventAccumulator(str(directory))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_hides_what_the_killed_run_wrote_later(tmp_path):
    first = metric_writers.TensorBoardWriter(tmp_path)
    for step in (10, 20, 30):
        first.write(step, "train", {"loss": np.float32(step)})
    first.close()
    second = metric_writers.TensorBoardWriter(tmp_path, resume_step=20)
    second.write(30, "train", {"loss": -30})
    second.write(30, "validation", {"accuracy": 0.5})
    second.close()
    assert scalars(tmp_path, "train/loss") == [(10, 10.0), (20, 20.0), (30, -30.0)]
    assert scalars(tmp_path, "validation/accuracy") == [(30, 0.5)]


def test_tensorboard_hides_a_run_that_starts_over(tmp_path):
    for value in (1.0, 2.0):
        writer = metric_writers.TensorBoardWriter(tmp_path)
        writer.write(0, "train", {"loss": value})
        writer.close()
    assert scalars(tmp_path, "train/loss") == [(0, 2.0)]


class Recorder:
    def __init__(self, calls, name, fails=False):
        self.calls, self.name, self.fails = calls, name, fails

    def write(self, step, split, values):
        self.calls.append((self.name, step, split, values))

    def close(self):
        self.calls.append((self.name, "close"))
        if self.fails:
            raise OSError(self.name)


def test_several_writers_get_the_same_and_all_are_closed():
    calls = []
    both = metric_writers.MultiWriter([Recorder(calls, "a"), Recorder(calls, "b", fails=True)])
    both.write(1, "train", {"loss": 1.0})
    with pytest.raises(OSError, match="b"):
        both.close()
    assert calls[:2] == [("a", 1, "train", {"loss": 1.0}), ("b", 1, "train", {"loss": 1.0})]
    assert {("a", "close"), ("b", "close")} <= set(calls[2:])


def test_what_training_imports_stays_light():
    code = (
        "import sys; import ferjax.training.metric_writers, ferjax.scores.confusion, ferjax.runs.result;"
        "print(sorted({'matplotlib', 'tensorflow', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
