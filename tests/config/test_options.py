"""Options of networks and of plugged-in functions: names, types, ranges."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import pytest

from ferjax import models
from ferjax.config import defaults, flat, override, validate
from ferjax.config.option_values import _is_a
from ferjax.config.text_fields import parse_extra
from ferjax.errors import UserError
from ferjax.registry import AUGMENTATIONS, LOSSES, NETWORKS, OPTIMIZERS, SCHEDULES


def my_loss(logits, labels, class_weights, config, *, margin: float = 0.5, power: int = 2, how: str = "a"):
    return logits, labels


def needs_an_option(logits, labels, class_weights, config, margin: float):
    return logits, labels


def takes_all(config, learning_rate, **options):
    return options


def too_few(config):
    return config


def my_schedule(config, learning_rate, total_steps, steps_per_epoch, shape: Literal["a", "b"] = "a"):
    return config


def blur(keys, images, strength):
    return images


NOT_CALLABLE = 5


@pytest.fixture
def registered(monkeypatch):
    """Registers functions of the tests; they are forgotten after the test."""
    for registry, name, function in (
        (LOSSES, "my_loss", my_loss),
        (LOSSES, "needs_an_option", needs_an_option),
        (OPTIMIZERS, "takes_all", takes_all),
        (OPTIMIZERS, "too_few", too_few),
        (SCHEDULES, "my_schedule", my_schedule),
        (AUGMENTATIONS, "blur", blur),
    ):
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        registry.add(name, function, None)


def changed(**fields: Any):
    config = defaults()
    for name, value in fields.items():
        override(config, name.replace("__", "."), value)
    return config


@pytest.mark.usefixtures("registered")
def test_options_of_a_plugged_in_function():
    config = changed(
        loss__name="my_loss", loss__options__margin=1, loss__options__how="b", optimizer__name="takes_all",
        optimizer__options__anything=[1, 2.0, "x", None], schedule__name="my_schedule",
        schedule__options__shape="b", augment__extra="blur=0.5",
    )  # fmt: skip
    validate(config)
    assert dict(flat(config))["loss.options.margin"] == 1


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss__options__margin": 1.0}, "loss cross_entropy has no option 'margin' .*; it has none"),
        ({"loss__name": "my_loss", "loss__options__magin": 1.0}, "has no option 'magin' .*; it has margin"),
        ({"loss__name": "my_loss", "loss__options__margin": "x"}, "options.margin takes a float, not 'x'"),
        ({"loss__name": "my_loss", "loss__options__margin": True}, "margin takes a float, not True"),
        ({"loss__name": "my_loss", "loss__options__margin": float("nan")}, "margin is nan; it must be"),
        ({"loss__name": "my_loss", "loss__options__power": 0}, "power is 0; it must be at least 1"),
        ({"loss__name": "my_loss", "loss__options__power": 2.0}, "power takes a int, not 2.0"),
        ({"loss__name": "my_loss", "loss__options__how": object()}, "how is <object .*; an option is a"),
        ({"loss__name": "needs_an_option"}, "needs the option 'margin': set loss.options.margin"),
        ({"optimizer__name": "too_few"}, r"too_few must be a function of \(config, learning_rate\)"),
        ({"schedule__name": "my_schedule", "schedule__options__shape": "c"}, "takes 'a' or 'b', not 'c'"),
        ({"loss__name": f"{__name__}:NOT_CALLABLE"}, "NOT_CALLABLE is not a function but 5"),
        ({"loss__name": f"{__name__}:my_los"}, "has no 'my_los' .*; it has my_loss"),
        ({"augment__extra": "blurr=0.5"}, "unknown augmentation 'blurr'; the nearest are blur"),
        ({"augment__extra": "blur"}, "in augment.extra, 'blur' is not NAME=STRENGTH"),
    ],
)  # fmt: skip
def test_bad_options_of_functions(fields, words):
    with pytest.raises(UserError, match=words) as caught:
        validate(changed(**fields))
    assert len(str(caught.value)) <= 400


def test_code_that_is_registered_nowhere():
    validate(changed(loss__name=f"{__name__}:my_loss", loss__options__margin=0.25))


def test_options_must_be_a_group():
    config = defaults()
    with config.ignore_type():
        config.loss.options = 5
    with pytest.raises(UserError, match=r"config field loss\.options takes a dict, not 5"):
        validate(config)


@pytest.mark.parametrize(
    ("network", "option", "value", "words"),
    [
        ("vgg16", "hidden", "64", "model.hidden takes a int, not '64'"),
        ("vgg16", "hidden", 0, "model.hidden is 0; it must be at least 1 and at most 2"),
        ("vgg16", "hidden", 10**9, "model.hidden is 1000000000; it must be at least 1"),
        ("vgg16", "hidden", True, "model.hidden takes a int, not True"),
        ("vgg16", "dropout", 2, "model.dropout is 2; it must be at least 0 and below 1"),
        ("vgg16", "dropout", float("nan"), "model.dropout is nan"),
        ("vgg16", "dropout", "x", "model.dropout takes a float, not 'x'"),
        ("resemotenet", "head_dropout", -0.1, "model.head_dropout is -0.1; it must be at least 0"),
        ("resnet18", "zero_init_residual", 1, "zero_init_residual takes a bool, not 1"),
        ("ran", "alpha", float("inf"), "model.alpha is inf; it must be"),
        ("ran", "backbone", 18, "model.backbone takes a str, not 18"),
        ("ran", "backbone", {"a": 1}, "model.backbone is .*; an option is a number"),
        ("resnet18", "num_classes", 8, "num_classes is no option of a config: a network has as many"),
        ("resnet18", "dtype", "float16", "model.dtype is no option of a config: set train.precision"),
        ("resnet18", "stem", 3, "model resnet18 has no option 'stem'; it has"),
    ],
)
def test_bad_options_of_networks(network, option, value, words):
    config = defaults()
    config.model = {"name": network, option: value}
    with pytest.raises(UserError, match=words) as caught:
        validate(config)
    assert len(str(caught.value)) <= 400


def own_options():
    """Every option of every registered network and of a class that is registered nowhere."""
    targets = [(entry.name, entry.target) for entry in NETWORKS.entries() if entry.name != "tiny"]
    for name, target in [*targets, (f"{__name__}:OwnNet", OwnNet)]:
        fixed = target.keywords if isinstance(target, partial) else {}
        code = target.func if isinstance(target, partial) else target
        for field in dataclasses.fields(code):
            if field.name not in ("parent", "name", "dtype", "num_classes", *fixed):
                yield name, field.name, field.default


class OwnNet(nn.Module):
    num_classes: int = 7
    widths: tuple[int, ...] = (8, 16)
    drop_path: float | None = None
    head_dropout: int = 0
    scale: float = 1.0
    kind: "Unknown" = "plain"  # noqa: F821
    dtype: Any = None


WRONG = {
    bool: (0, 1, "True", None, 1.0, [True]),
    int: (0, -1, 10**9, 10**30, 1.5, float("nan"), float("inf"), "8", "", True, None, [8]),
    float: (1e308, -1e308, float("nan"), float("inf"), "0.5", "", True, None, [0.5], 10**40),
    str: (0, 1.5, True, None, ["a"]),
}


@pytest.mark.parametrize(
    ("network", "option", "default"), list(own_options()), ids=lambda value: str(value).rpartition(":")[2]
)
def test_no_option_of_any_network_takes_a_wrong_value(network, option, default):
    wrong = (*WRONG.get(type(default), ()), object(), {"a": object()})
    if option == "head_dropout" or option.endswith("dropout"):
        wrong += (2, 1, 1.0, -0.1)
    for value in wrong:
        if type(value) is type(default) and value == default:
            continue
        with pytest.raises(UserError) as caught:
            models.create(network, **{option: value})
        message = str(caught.value)
        assert option in message or repr(value)[:20] in message
        assert len(message) <= 400
        assert "\n" not in message


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("widths", (8, 0), "model.widths is 0; it must be at least 1 and at most 2"),
        ("widths", [10**9], "model.widths is 1000000000; it must be"),
        ("widths", ["8"], r"model.widths takes tuple\[int, ...\], not \['8'\]"),
        ("drop_path", 1, "model.drop_path is 1; it must be at least 0 and below 1"),
        ("head_dropout", 2, "model.head_dropout is 2; it must be at least 0 and below 1"),
        ("kind", 3, "model.kind takes a str, not 3"),
    ],
)
def test_bad_options_of_an_own_class(option, value, words):
    config = defaults()
    config.model = {"name": f"{__name__}:OwnNet", option: value}
    with pytest.raises(UserError, match=words):
        validate(config)


def test_good_options_of_an_own_class():
    model = models.create(f"{__name__}:OwnNet", widths=[4, 4], drop_path=0.5, kind="other", dtype="bfloat16")
    assert (model.drop_path, model.kind) == (0.5, "other")


def test_good_options_of_networks():
    config = defaults()
    config.model = {"name": "vgg16", "hidden": 64, "dropout": 0}
    validate(config)


@dataclasses.dataclass
class Anything:
    """Stands for an annotation that says nothing of plain values."""


@pytest.mark.parametrize(
    ("value", "annotation", "is_one"),
    [
        (1, int, True), (True, int, False), (1.0, int, False), (1, float, True), (True, float, False),
        ("a", str, True), (None, int | None, True), ("a", int | None, False), ((1, 2), tuple[int, int], True),
        ([1, 2], tuple[int, int], True), ((1, 2, 3), tuple[int, int], False), (1, list[int], False),
        ((1, "a"), tuple[int, ...], False), ((1,), tuple[int, ...], True), ([1.0], list[int], False),
        ([1], Sequence[int], True),
        ("b", Literal["a", "b"], True), ("c", Literal["a", "b"], False), (5, Anything, True), (5, Any, True),
    ],
)  # fmt: skip
def test_values_against_annotations(value, annotation, is_one):
    assert _is_a(value, annotation) == is_one


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", ()),
        ("blur=0.5", (("blur", 0.5),)),
        (" blur = 1 , pkg.file:rain=2e-1,", (("blur", 1.0), ("pkg.file:rain", 0.2))),
    ],
)
def test_the_text_of_further_augmentations(text, pairs):
    assert parse_extra(text) == pairs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("blur", "'blur' is not NAME=STRENGTH"),
        ("=1", "'=1' is not"),
        ("blur=", "'blur=' is not"),
        ("blur=nan", "'blur=nan' is not"),
        ("blur=inf", "'blur=inf' is not"),
        ("blur=0", "'blur=0' is not"),
        ("blur=-1", "'blur=-1' is not"),
        ("blur=1,blur=2", "'blur' comes twice"),
    ],
)
def test_a_bad_text_of_further_augmentations(text, words):
    with pytest.raises(UserError, match=f"in augment.extra, {words}"):
        parse_extra(text)
