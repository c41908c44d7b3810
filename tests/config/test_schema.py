"""The schema: its rows, what comes from them, and that the rooms which own a choice agree with it."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from ferjax.augment import crops
from ferjax.config import (
    FIELDS,
    FREE_FIELDS,
    STAGE,
    defaults,
    flat,
    set_stages,
    table,
    validate,
    validation,
)
from ferjax.config.field import Choices, Range, Registered, number
from ferjax.config.run_fields import STAGE_FIELDS
from ferjax.data import balance, resize
from ferjax.errors import UserError
from ferjax.registry import LOSSES, OPTIMIZERS, SCHEDULES
from ferjax.training import losses, remat, schedules

ROWS = {field.name: field for field in table.ROWS}
NUMBERS = [field for field in table.ROWS if field.type_name in ("int", "float")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_reading_a_config_imports_no_heavy_library():
    heavy = "jax", "flax", "optax", "tensorflow_datasets", "numpy", "ferjax.training", "ferjax.models"
    code = (
        "import sys; from ferjax.config import defaults; defaults(); "
        f"print(*sorted(set({heavy!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_names_are_unique_and_sentences_are_sentences():
    assert len(ROWS) == len(FIELDS) + len(STAGE_FIELDS)
    for field in table.ROWS:
        assert field.help.endswith("."), field.name
        assert field.type_name in ("bool", "int", "float", "str", "dict"), field.name


def test_the_defaults_are_the_rows():
    config = defaults()
    assert dict(flat(config)) == {f.name: f.default for f in FIELDS if f.type_name != "dict"}
    assert all(type(value) is type(ROWS[name].default) for name, value in flat(config))
    assert set(config) == {f.name.partition(".")[0] for f in FIELDS}
    config.loss.options.changed = 1
    assert defaults().loss.options == ConfigDict()


def test_every_default_is_allowed():
    for field in table.ROWS:
        field.check(field.default)


def test_every_number_has_finite_limits():
    for field in NUMBERS:
        assert isinstance(field.allowed, Range), field.name
        assert math.isfinite(field.allowed.least), field.name
        assert math.isfinite(field.allowed.most), field.name


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_no_number_may_be_extreme(field):
    beyond_rates = 10**31
    for value in (math.nan, math.inf, -math.inf, 1e308, -1e308, beyond_rates, -beyond_rates, 10**5000):
        with pytest.raises(UserError, match=rf"^config field {field.name} is .*; it must be ") as caught:
            field.check(value)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("train.batch_size", 10**9, "is 1000000000; it must be at least 1 and at most 2**20"),
        ("train.epochs", 1e308, "is 1e+308; it must be above 0 and at most 1000000"),
        ("data.image_size", 10**5, "is 100000; it must be at least 1 and at most 4096"),
        ("augment.randaugment", 10**24, "it must be at least 0 and at most 100"),
        ("data.workers", 10**5, "is 100000; it must be at least 0 and at most 1024"),
        ("schedule.warmup_epochs", math.inf, "is inf; it must be at least 0 and at most 1000000"),
        ("train.seed", 2**32, "is 4294967296; it must be at least 0 and below 2**32"),
        ("mesh.data", 0, "is 0; it must be -1 or at least 1 and at most 2**20"),
    ],
)
def test_messages_name_both_limits(field, value, words):
    config = defaults()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as caught:
        validate(config)
    assert str(caught.value).startswith(f"config field {field} is ")
    assert words in str(caught.value)


@given(value=st.one_of(st.floats(), st.integers()), index=st.integers(0, len(NUMBERS) - 1))
def test_a_range_allows_what_lies_between_its_limits(value, index):
    field = NUMBERS[index]
    limits = field.allowed
    assert isinstance(limits, Range)
    low = limits.least < value or (value == limits.least and not limits.above)
    high = value < limits.most or (value == limits.most and not limits.below)
    try:
        field.check(value)
        allowed = True
    except UserError:
        allowed = False
    assert allowed == ((low and high) or value == limits.also)


def test_limits_are_written_as_in_a_config():
    assert [number(value) for value in (0, 0.5, 16, 2**14, 2**20, 1e6, 2**31 - 1, 1e30)] == [
        "0", "0.5", "16", "2**14", "2**20", "1000000", "2147483647", "1e+30",
    ]  # fmt: skip


def test_the_rooms_that_own_a_choice_agree():
    owned = {
        "schedule.scale_rate": schedules.SCALES,
        "train.remat": remat.NAMES,
        "loss.class_weights": losses.CLASS_WEIGHTS,
        "eval.crops": crops.VIEWS,
        "data.balance": balance.NAMES,
        "data.resize": resize.FILTERS,
    }
    for name, names in owned.items():
        allowed = ROWS[name].allowed
        assert isinstance(allowed, Choices)
        assert set(allowed.names) == set(names), name
    assert validation.CORNERED == crops.CORNERED


@pytest.mark.parametrize(
    ("field", "registry", "name"),
    [
        ("loss.name", LOSSES, "cross_entropy"),
        ("optimizer.name", OPTIMIZERS, "lamb"),
        ("schedule.name", SCHEDULES, "plateau"),
    ],
)
def test_names_of_functions_come_from_their_registry(field, registry, name):
    allowed = ROWS[field].allowed
    assert isinstance(allowed, Registered)
    assert allowed.registry is registry
    assert name in allowed.words
    with pytest.raises(
        UserError, match=rf"{field} is '{name}x' \(did you mean {name}\?\); it takes .*{name}"
    ):
        ROWS[field].check(f"{name}x")
    with pytest.raises(UserError, match="cannot import 'no_such_module'"):
        ROWS[field].check("no_such_module:function")


def test_a_stage_has_the_fields_of_its_rows():
    config = defaults()
    set_stages(config, {"epochs": 2}, {})
    assert config.stages.stage2.to_dict() == STAGE == {
        field.name.rpartition(".")[2]: field.default for field in STAGE_FIELDS
    }  # fmt: skip
    validate(config)
    config.stages.stage2.auxiliary = math.inf
    with pytest.raises(UserError, match=r"stages.stage2.auxiliary is inf; it must be at least 0 and at most"):
        validate(config)


def test_the_fields_that_never_change_a_number():
    assert set(FREE_FIELDS) == {
        "data.dir", "data.cache", "data.workers", "mesh.data", "mesh.fsdp", "mesh.gather_once",
        "checkpoint.keep", "checkpoint.every_steps", "train.log_every", "data.face_margin",
    }  # fmt: skip


def test_a_pattern_must_be_one():
    config = defaults()
    config.init.new = "fc("
    with pytest.raises(UserError, match=r"config field init.new 'fc\(' is no regular expression: missing \)"):
        validate(config)


def test_a_group_that_is_none():
    config = defaults()
    with config.ignore_type():
        config.stages = 5
    with pytest.raises(UserError, match="config group stages holds fields, it cannot be 5"):
        validate(config)


def test_the_page_of_the_docs_is_what_the_command_writes():
    assert DOCUMENT.read_text(encoding="utf-8") == table.markdown(), (
        "run: python -m ferjax config --markdown > docs/configuration.md"
    )
