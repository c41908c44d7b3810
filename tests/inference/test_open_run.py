"""A run whose files do not fit each other is refused, in one line, by all that open it."""

import json
from pathlib import Path

import pytest
from untrained import write_run

from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.inference.open_workdir import _sets
from ferjax.scores.conformal import Sets


@pytest.fixture
def run(tiny_model, tmp_path):
    return write_run(tmp_path / "run")


def edit(run, group, **fields):
    path = run / "config.json"
    content = json.loads(path.read_text())
    content[group] |= fields
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("group", "fields", "reason"),
    [
        ("model", {"features": 16}, "params.bn1.bias was 8, is 16"),
        ("model", {"norm": False}, "params.bn1.bias was 8, is absent"),
        ("data", {"image_size": 24}, "it was trained at 16 pixels"),
        ("train", {"batch_size": "16"}, "config field train.batch_size takes a int"),
    ],
)
def test_a_config_that_was_edited_is_refused(run, group, fields, reason):
    open_network(run)
    edit(run, group, **fields)
    with pytest.raises(UserError) as caught:
        open_network(run)
    assert reason in str(caught.value)
    assert str(run / "config.json") in str(caught.value)


def test_a_config_of_another_network_is_refused(run):
    (run / "config.json").write_text('{"model": {"name": "resemotenet"}}')
    with pytest.raises(
        UserError, match="is of the network resemotenet, but the checkpoints beside it are of ti"
    ):
        open_network(run)


def test_the_threshold_of_sets_is_that_of_the_tested_weights():
    sets = {"coverage": 0.9, "overall": {"smallest": 0.07}}
    result = {"best_step": 5, "probabilities": {"sets": sets}}
    assert _sets(Path("result.json"), result, 5) == Sets(0.9, 0.07)
    assert _sets(Path("result.json"), result, 4) is None
    assert _sets(Path("result.json"), {"best_step": 5, "probabilities": {}}, 5) is None
    assert _sets(Path("result.json"), None, 5) is None
    sets["overall"]["smallest"] = [0.1]
    with pytest.raises(UserError, match=r"result\.json: probabilities\.sets does not hold the threshold"):
        _sets(Path("result.json"), result, 5)
