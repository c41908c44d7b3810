"""The file of a search's space: what it may say, and one clear line for what it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config import defaults, flat, set_stages
from ferjax.errors import UserError
from ferjax.tune.space import Dimension, parse, read, with_values

WHOLE = """
"optimizer.momentum" = {low = 0.8, high = 0.99, when = {"optimizer.name" = "sgd"}}
"schedule.learning_rate" = {low = 1e-4, high = 0.1, log = true}
"train.batch_size" = {low = 8, high = 64, step = 8}
"loss.label_smoothing" = {choices = [0, 0.1]}
"augment.flip" = {choices = [true, false]}

["optimizer.name"]
choices = ["sgd", "adamw"]
"""


def test_a_file_is_read_in_the_order_of_its_conditions(tmp_path):
    (tmp_path / "space.toml").write_text(WHOLE)
    space = read(tmp_path / "space.toml", defaults())
    by_field = {dimension.field: dimension for dimension in space}
    assert len(space) == 6
    fields = list(by_field)
    assert fields.index("optimizer.name") < fields.index("optimizer.momentum")
    momentum = by_field["optimizer.momentum"]
    assert momentum == Dimension("optimizer.momentum", 0.8, 0.99, when=(("optimizer.name", ("sgd",)),))
    assert momentum.applies({"optimizer.name": "sgd"})
    assert not momentum.applies({"optimizer.name": "adamw"})
    assert not momentum.applies({})
    assert momentum.words == "0.8 to 0.99; if optimizer.name is sgd"
    batch = by_field["train.batch_size"]
    assert (batch.whole, batch.step, batch.words) == (True, 8, "8 to 64, step 8")
    smoothing = by_field["loss.label_smoothing"].choices
    assert smoothing == (0.0, 0.1)
    assert {type(value) for value in smoothing} == {float}
    assert by_field["schedule.learning_rate"].words == "0.0001 to 0.1, logarithmic"


def test_options_and_stages_can_be_searched():
    config = defaults()
    set_stages(config, {"epochs": 1.0})
    config.lock()  # as --config gives it
    space = parse(
        {
            "model.without": {"choices": ["", "se"]},
            "stages.stage1.learning_rate": {"low": 0.001, "high": 1},
        },
        config,
    )
    values = with_values(config, {"model.without": "se", "stages.stage1.learning_rate": 0.5})
    assert (values.model.without, values.stages.stage1.learning_rate) == ("se", 0.5)
    assert "without" not in config.model
    assert len(space) == 2


WRONG = {
    "": "it names no field to search",
    '"train.batchsize" = {choices = [1]}': "no field 'train.batchsize'; did you mean train.batch_size",
    "train.batch_size = {choices = [8]}": 'write fields in quotes, as "train.batch_size" = …',
    '"train.batch_size" = 8': "train.batch_size is 8; it takes {low = …, high = …} or {choices = […]}",
    '"train.batch_size" = {lo = 1, high = 2}': "has 'lo'; it takes choices, high, log, low, step",
    '"train.batch_size" = {low = 8}': "needs low and high, or choices",
    '"train.batch_size" = {low = 8, high = 8.5}': "takes whole numbers",
    '"train.batch_size" = {low = 0, high = 8}': "config field train.batch_size is 0; it must be at least 1",
    '"train.batch_size" = {low = 9, high = 8}': "low 9 must be below high 8",
    '"train.batch_size" = {low = 1, high = 8, step = 9}': "step is 9; it must be above 0",
    '"train.batch_size" = {low = 1, high = 8, choices = [3]}': "has choices and high: give one of the two",
    '"train.batch_size" = {choices = [8.0]}': "takes a int, not 8.0",
    '"train.batch_size" = {choices = []}': "choices is []; it takes a list of values",
    '"train.batch_size" = {choices = [8, 8]}': "choices has a value twice",
    '"optimizer.momentum" = {low = 0, high = 0.9, log = true}': "low is 0, and has no logarithm",
    '"optimizer.momentum" = {low = 0.1, high = 0.9, log = 1}': "log is 1; it takes true or false",
    '"optimizer.momentum" = {low = 0.1, high = 0.9, log = true, step = 0.1}': "has log and step",
    '"optimizer.momentum" = {low = 0.1, high = 1.5}': "config field optimizer.momentum is 1.5; it must be",
    '"optimizer.momentum" = {low = nan, high = 1}': "low is nan; it takes a number",
    '"optimizer.momentum" = {low = 0, high = "1"}': "high is '1'; it takes a number",
    '"optimizer.name" = {low = 0, high = 1}': "optimizer.name is no number: it takes choices",
    '"optimizer.name" = {choices = ["adm"]}': "config field optimizer.name is 'adm'",
    '"model.widht" = {choices = [3]}': "widht",
    '"data.cache" = {choices = ["memory", "disk"]}': "data.cache changes no number of a run",
    '"data.fold" = {choices = ["1/5", "2/5"]}': "data.fold decides what trials are compared by",
    '"train.seed" = {low = 0, high = 9}': "train.seed decides what trials are compared by",
    '"optimizer.momentum" = {low = 0.1, high = 0.9, when = "sgd"}': "when takes a table such as",
    '"optimizer.momentum" = {low = 0.1, high = 0.9, when = {"optimizer.name" = "sgd"}}':
        "when names optimizer.name, which is not searched",
    '"optimizer.name" = {choices = ["sgd"]}\n'
    '"optimizer.momentum" = {low = 0.1, high = 0.9, when = {"optimizer.name" = "lars"}}':
        "when optimizer.name is 'lars', which is none of its choices",
    '"optimizer.name" = {choices = ["sgd"], when = {"loss.name" = "cross_entropy"}}\n'
    '"loss.name" = {choices = ["cross_entropy"], when = {"optimizer.name" = "sgd"}}': "go in a circle",
    "x = = 1": "is not TOML",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_searched_is_told_in_one_line(text, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(UserError) as told:
        read(path, defaults().lock())
    assert WRONG[text] in str(told.value)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)


def test_files_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        read(tmp_path / "none.toml", defaults())
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not TOML"):
        read(tmp_path / "bytes.toml", defaults())
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(UserError, match="no file of a search space"):
        read(tmp_path / "large.toml", defaults())


ODD = (
    True, 0, 1, -1, 3, 10**400, 0.5, 1e-3, float("nan"), float("inf"), "", "sgd", "\n", [], [1], [0.1, 0.2],
    ["sgd", "lars"], [[1]], [True], [10**400], {}, {"optimizer.name": "sgd"}, {"train.seed": [{}]},
)  # fmt: skip
FIELDS = st.sampled_from([name for name, _ in flat(defaults())])
KEYS = st.sampled_from(["low", "high", "log", "step", "choices", "when"])
TABLES = st.dictionaries(KEYS, st.sampled_from(ODD), max_size=4)


@given(st.dictionaries(FIELDS, TABLES, min_size=1, max_size=2))
def test_any_content_is_a_space_or_one_clear_line(content):
    line, fields = "", set()
    try:
        fields = {dimension.field for dimension in parse(content, defaults())}
    except UserError as error:
        line = str(error)
    assert bool(line) != (fields == content.keys())
    assert "\n" not in line
