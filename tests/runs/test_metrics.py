"""`metrics.jsonl` as a run wrote it, or the line that somebody changed."""

import json

import pytest

from ferjax.errors import UserError
from ferjax.runs.metrics import read_metrics

GOOD = {"step": 1, "split": "train", "loss": 0.5, "accuracy": None}


def test_rows_come_back_without_a_last_line_that_was_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{json.dumps(GOOD)}\n\n{json.dumps(GOOD)}\n{{"step": 2, "spl')
    assert read_metrics(path) == [GOOD, GOOD]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": "5"}, "step is '5', not a whole number from 0 on"),
        ({"step": -1}, "step is -1"),
        ({"step": 1.5}, "step is 1.5"),
        ({"step": True}, "step is True"),
        ({"step": None}, "step is None"),
        ({"step": 10**30}, "step is 1000"),
        ({"split": 3}, "split is 3, not a text"),
        ({"loss": "low"}, "loss is 'low', not a number or null"),
        ({"loss": [1]}, "loss is [1]"),
        ({"loss": True}, "loss is True"),
        ({"loss": 1e308}, "loss is 1e+308"),
        ({"loss": float("nan")}, "loss is nan"),
        ({"loss": float("-inf")}, "loss is -inf"),
        ({"loss": "x" * 10_000}, "loss is 'xxx"),
    ],
)
def test_the_row_that_is_wrong_is_named(tmp_path, change, reason):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, {**GOOD, **change}, GOOD)))
    with pytest.raises(UserError) as caught:
        read_metrics(path)
    assert str(caught.value).startswith(f"{path}, row 2: {reason}")
    assert str(caught.value).endswith("; mend or remove it")
    assert len(str(caught.value)) - len(str(path)) < 200


@pytest.mark.parametrize("line", ["{", "[]", "null", "[" * 100_000, '{"step": 1}', "1" * 5000, "\x00"])
def test_lines_that_are_no_rows_are_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n{json.dumps(GOOD)}\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl line 2 is not .*; mend or remove the line"):
        read_metrics(path)
