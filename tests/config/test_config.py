import pytest
import tiny
from ml_collections import ConfigDict

from ferjax.config import defaults, override, split_argument, validate
from ferjax.errors import UserError


def changed(**fields):
    return tiny_defaults({name.replace("__", "."): value for name, value in fields.items()})


def tiny_defaults(fields):
    values = defaults()
    values.update_from_flattened_dict(fields)
    return values


def test_the_defaults_and_the_tests_own_recipe_are_valid(tiny_model):
    validate(defaults())
    validate(tiny.tiny_configuration())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("optimizer.name", "sdg", r"config field optimizer.name is 'sdg' \(did you mean sgd\?\); it takes"),
        ("schedule.name", "cosin", r"\(did you mean cosine\?\)"),
        (
            "train.precision",
            "float16",
            r"\(did you mean bfloat16\?\); it takes float32, bfloat16",
        ),
        ("data.cache", "zzz", "config field data.cache is 'zzz'; it takes memory"),
        ("loss.class_weights", "", "it takes none, inverse"),
        ("model.name", "resemotnet", "unknown model 'resemotnet'; the nearest are resemotenet"),
        ("train.batch_size", 0, "train.batch_size is 0; it must be at least 1"),
        ("train.epochs", 0.0, "must be above 0"),
        ("train.epochs", float("nan"), "must be above 0"),
        ("train.epochs", float("inf"), "must be above 0"),
        ("train.seed", -1, "at least 0 and below"),
        ("train.seed", 2**32, "at least 0 and below"),
        ("loss.label_smoothing", 1.0, "at least 0 and below 1"),
        ("optimizer.momentum", -0.1, "at least 0 and below 1"),
        ("optimizer.clip_norm", float("nan"), "at least 0"),
        ("schedule.factor", 1.0, "above 0 and below 1"),
        ("data.val_fraction", 0.0, "above 0 and below 1"),
        ("mesh.data", 0, "-1 or at least 1"),
        ("mesh.fsdp", 0, "at least 1"),
        ("train.accumulate_steps", 3, "train.batch_size 16 is not divisible by train.accumulate_steps 3"),
        ("data.workers", 2, "set data.cache=stream or data.workers=0"),
        ("model.name", "a" * 5000, "model.name has 5000 characters; it may have 120"),
        ("optimizer.name", "a" * 5000, "optimizer.name has 5000 characters; it may have 120"),
        ("data.fold", "1" * 5000, "data.fold has 5000 characters; it may have 200"),
        ("data.dir", "a" * 5000, "data.dir has 5000 characters; it may have 4096"),
        ("init.freeze", "a" * 5000, "init.freeze has 5000 characters; it may have 4096"),
        ("init.freeze", "(" * 4000, "is no regular expression: "),
        ("loss.l2", "(" * 4000 + ":1", "is not PATTERN:NUMBER"),
        ("augment.extra", "a" * 4000 + "=1", "is not NAME=STRENGTH"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_values(field, value, words):
    with pytest.raises(UserError, match=words) as caught:
        validate(tiny_defaults({field: value}))
    assert len(str(caught.value)) <= 400


def test_lars_keeps_its_momentum_in_float32():
    with pytest.raises(UserError, match=r"momentum_precision is for sgd, adamw and lamb: lars keeps float32"):
        validate(tiny_defaults({"optimizer.name": "lars", "optimizer.momentum_precision": "bfloat16"}))


def test_unknown_missing_and_ill_typed_fields():
    values = defaults()
    with values.unlocked():
        values.train.epoch = 3.0
    with pytest.raises(UserError, match=r"no field 'train\.epoch'; did you mean train\.epochs"):
        validate(values)
    values = defaults()
    del values.train.epochs
    with pytest.raises(UserError, match=r"the config lacks the field train\.epochs; start from"):
        validate(values)
    values = defaults()
    with values.ignore_type():
        values.train.epochs = "3"
    with pytest.raises(UserError, match=r"config field train\.epochs takes a float, not '3'"):
        validate(values)
    values = defaults()
    with values.unlocked():
        values.model.drop = 0.5
    with pytest.raises(UserError, match=r"model resemotenet has no option 'drop'; it has .*stem_dropout"):
        validate(values)
    with pytest.raises(UserError, match="a config is a ConfigDict, not a dict"):
        validate(defaults().to_dict())
    with pytest.raises(UserError, match="the config lacks the field affect"):
        validate(ConfigDict({"model": {"name": "resemotenet"}}))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", ("standard", {})),
        ("fer2013", ("fer2013", {})),
        ("fer2013,train.epochs=3.5", ("fer2013", {"train.epochs": 3.5})),
        ("train.epochs=3", ("standard", {"train.epochs": 3})),
        ("a,b.c=text, d.e = 'x'", ("a", {"b.c": "text", "d.e": "x"})),
        ("a,b=True,c=-1,d=1e-3,e=", ("a", {"b": True, "c": -1, "d": 1e-3, "e": ""})),
        ("a,b=x=y", ("a", {"b": "x=y"})),
        (",,a=1,", ("standard", {"a": 1})),
    ],
)
def test_the_argument_of_a_config_file(argument, expected):
    dataset, fields = split_argument(argument, "standard")
    assert fields.keys() == expected[1].keys()
    stripped = {key: value.strip() if isinstance(value, str) else value for key, value in fields.items()}
    assert (dataset, stripped) == expected


def test_a_part_of_the_argument_that_is_no_setting():
    with pytest.raises(UserError, match="in the config argument 'a,b', 'b' is not key=value"):
        split_argument("a,b", "standard")


def test_statistics_of_no_frozen_layer_are_no_matter():
    config = defaults()
    config.init.freeze_statistics = False
    with pytest.raises(UserError, match=r"init\.freeze names none"):
        validate(config)
    config.init.freeze = "^conv1/"
    validate(config)


def test_override():
    values = defaults()
    override(values, "train.epochs", 3)  # a whole number is a float too
    override(values, "optimizer.name", "adamw")
    override(values, "loss.rul", "true")  # as `--config.loss.rul=true` is read
    assert values.loss.rul is True
    assert (values.train.epochs, values.optimizer.name) == (3.0, "adamw")
    for field, value, words in (
        ("train.epoch", 3.0, r"no field 'train\.epoch'; did you mean train\.epochs"),
        ("epochs", 3.0, "no field 'epochs'; did you mean"),
        ("zzzzzzzzz", 1, "no field 'zzzzzzzzz'$"),
        ("train", 1, "no field 'train'"),
        ("train.epochs", "three", r"train\.epochs takes a float, not 'three'"),
        ("train.batch_size", 1.5, r"train\.batch_size takes a int, not 1\.5"),
        ("augment.flip", "yes", r"augment\.flip takes True or False, not 'yes'"),
    ):
        with pytest.raises(UserError, match=words):
            override(values, field, value)
