"""The verb config: all fields, one field or group, and a recipe."""

import json
from pathlib import Path

import pytest
from tiny import only_line

from ferjax.config import table

RECIPE = Path(__file__).parents[2] / "configs" / "resemotenet.py"


def test_all_fields(shell):
    done = shell("config")
    assert done.returncode == 0, done.stderr
    for field in table.ROWS:
        assert f"  {field.name}" in done.stdout
        assert field.help in done.stdout
        assert field.allowed.words in done.stdout


def test_all_fields_as_json(shell):
    rows = {row["name"]: row for row in json.loads(shell("config", "--json").stdout)}
    assert rows.keys() == {field.name for field in table.ROWS}
    assert rows["train.batch_size"] == {
        "name": "train.batch_size", "group": "train", "type": "int", "default": 16, "unit": "images",
        "allowed": "at least 1 and at most 2**20", "least": 1, "most": 2**20, "free": False,
        "help": "Images of one optimizer step, over all devices.",
    }  # fmt: skip
    assert rows["data.cache"]["choices"] == ["memory", "stream", "disk", "device"]
    assert rows["data.cache"]["free"]


def test_one_field_and_one_group(shell):
    done = shell("config", "train.batch_size")
    assert done.stdout.startswith("train.batch_size\n  Images of one optimizer step, over all devices.\n")
    assert "  allowed  at least 1 and at most 2**20\n" in done.stdout
    row = json.loads(shell("config", "stages.stage2.freeze", "--json").stdout)
    assert row["name"] == "stages.stageN.freeze"
    assert [row["name"] for row in json.loads(shell("config", "mesh", "--json").stdout)] == [
        "mesh.data",
        "mesh.fsdp",
        "mesh.gather_once",
    ]


def test_a_recipe(shell):
    done = shell("config", f"--config={RECIPE}:fer2013,train.seed=3")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["train.seed", "3"] in lines
    assert ["loss.class_weights", "'inverse'"] in lines
    assert not any("train.batch_size" in line for line in lines)
    assert "\nvalid; " in done.stdout
    answer = json.loads(shell("config", f"--config={RECIPE}", "--config.train.seed=4", "--json").stdout)
    assert (answer["valid"], answer["error"], answer["changed"]["train.seed"]) == (True, None, 4)


def test_a_recipe_that_is_wrong(shell):
    done = shell("config", f"--config={RECIPE}", "--config.train.batch_size=0")
    assert only_line(done) == "config field train.batch_size is 0; it must be at least 1 and at most 2**20"
    assert ["train.batch_size", "0"] in [line.split() for line in done.stdout.splitlines()]
    done = shell("config", f"--config={RECIPE}", "--config.train.batch_size=0", "--json")
    assert json.loads(done.stdout)["error"] == only_line(done)


def test_fields_of_a_method_that_is_off_are_told(shell):
    done = shell("config", f"--config={RECIPE}", "--config.distill.attention=2.0", "--config.loss.rul_size=8")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == [
        "distill.attention=2.0 changes nothing without distill.from",
        "loss.rul_size=8 changes nothing without loss.rul",
    ]
    flags = ["--config.loss.rul=true", "--config.loss.rul_size=8"]
    assert shell("config", f"--config={RECIPE}", *flags).stdout.splitlines()[-1].startswith("valid")


def test_an_option_that_the_recipe_does_not_set_stands_behind_the_colon(shell):
    line = only_line(shell("config", "--config=vit_s16", "--config.model.patch=8"))
    assert "an option that the recipe does not set stands behind the colon: :toons,model.patch=1" in line
    assert shell("config", "--config=vit_s16:toons,model.patch=8").returncode == 0
    assert "behind the colon" not in only_line(shell("config", "--config=vit_s16:toons,model.patch.size=8"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train.bach_size"], "the config has no field 'train.bach_size'; did you mean train.batch_size"),
        (["train", "eval"], "give only one of these: a field, --config=FILE, --markdown"),
        (["train", "--markdown"], "give only one of these"),
        (["--config=missing.py"], "cannot read the config file"),
    ],
)
def test_bad_arguments(shell, arguments, words):
    assert words in only_line(shell("config", *arguments))


def test_the_config_of_a_run_is_a_recipe(never_killed, tmp_path, shell):
    stored = json.loads((never_killed / "config.json").read_text())
    done = shell("config", f"--config={never_killed}/config.json", "--json", "--config.train.seed=7")
    assert done.returncode == 0, done.stderr
    changed = json.loads(done.stdout)["changed"]
    assert changed["train.seed"] == 7
    assert changed["model.name"] == stored["model"]["name"]
    assert changed["optimizer.ema_decay"] == stored["optimizer"]["ema_decay"]
    (tmp_path / "config.json").write_text("[1]")
    assert "is not the config of a run" in only_line(shell("config", f"--config={tmp_path}/config.json"))
    assert "does not exist" in only_line(shell("config", f"--config={tmp_path}/none.json"))
