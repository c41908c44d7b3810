"""A stored config that is none, or that somebody changed."""

import json
from pathlib import Path

import pytest
import tiny

from ferjax.config import defaults
from ferjax.errors import UserError
from ferjax.runs import config_check
from ferjax.runs.stored_config import completed, stored_config
from ferjax.runs.workdir import claim


@pytest.fixture
def run(tmp_path, tiny_model):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(tiny.tiny_configuration().to_dict()))
    return folder


NO_CONFIG = [
    "{}", "[]", "null", "3", '"x"', '{"model": 3}', '{"model": {}}', '{"model": {"name": 3}}',
    '{"model": {"name": ""}}', '{"data": {"name": "fer2013"}}', '{"model": {"name": "tiny"}, "data": [1]}',
]  # fmt: skip


@pytest.mark.parametrize("content", NO_CONFIG)
def test_what_is_no_config_is_told_to_all_who_read_it(run, content):
    (run / "config.json").write_text(content)
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match=r"config\.json is not the config of a run; restore the file"):
        stored_config(run)
    with (
        pytest.raises(UserError, match=r"config\.json is not the config of a run; restore the file"),
        claim(run, tiny.tiny_configuration(), writes=True),
    ):
        pass
    assert (run / "config.json").read_text() == content


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"a":' * 5000, "\x00"])
def test_what_is_no_json_is_told(run, content):
    (run / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json is not valid JSON"):
        stored_config(run)


@pytest.mark.parametrize(
    ("group", "field", "value", "reason"),
    [
        ("train", "batch_size", "16", "train.batch_size takes a int, not '16'"),
        ("train", "batch_size", None, "train.batch_size takes a int, not None"),
        ("train", "batch_size", -1, "train.batch_size is -1"),
        ("data", "image_size", [48], "data.image_size"),
        ("data", "zz", 1, "no field 'data.zz'"),
        ("model", "name", "nobody", "nobody"),
        ("model", "norm", {"a": 1}, "model.norm"),
        ("model", "update", 1, "config.json"),
        ("optimizer", "options", 3, "optimizer.options"),
        ("optimizer", "options", {"": [{"a": 1}]}, "optimizer"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(run, group, field, value, reason):
    content = json.loads((run / "config.json").read_text())
    content[group][field] = value
    (run / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        stored_config(run)
    assert reason in str(caught.value)
    assert str(run / "config.json") in str(caught.value)


def test_the_config_of_a_checkpoint_is_compared_but_for_free_fields():
    config = defaults()
    meta = {"config": config_check.fixed_fields(config.to_dict())}
    assert "checkpoint.keep" not in meta["config"]
    config.checkpoint.keep += 1
    config_check.check_unchanged(meta, config.to_dict(), "run/config.json")
    config.train.seed += 1
    config.optimizer.momentum = 0.5
    with pytest.raises(UserError) as caught:
        config_check.check_unchanged(meta, config.to_dict(), "run/config.json")
    assert str(caught.value) == (
        "run/config.json was changed since its checkpoints were written (optimizer.momentum was 0.9, is 0.5; "
        "train.seed was 0, is 1): put that back, or take another --workdir"
    )


def test_checkpoints_of_earlier_versions_are_not_compared_with_what_they_lack():
    config = defaults().to_dict()
    config_check.check_unchanged({}, config, "run/config.json")
    recorded = config_check.fixed_fields(config)
    del recorded["init.new"]
    config_check.check_unchanged({"config": recorded}, config, "run/config.json")


def test_long_values_make_no_long_message():
    before, now = ({f"data.field{i}": letter * 5000 for i in range(9)} for letter in "ab")
    assert len(config_check.differences(before, now)) < 300


def test_long_names_are_cut_short():
    assert len(config_check.differences({"augment." + 5000 * "1": 1, "train." + 70_000 * "x": 1}, {})) < 200
    with pytest.raises(UserError) as caught:
        config_check.check_groups({"model": {"name": "tiny"}, 5000 * "x": {}}, Path("config.json"))
    assert len(str(caught.value)) < 200


def test_an_imported_name_is_completed(tmp_path, tiny_model):
    config = completed({"model": {"name": "tiny"}}, tmp_path / "config.json")
    assert config.train.batch_size == defaults().train.batch_size
