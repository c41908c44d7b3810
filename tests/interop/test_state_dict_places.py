"""Wrappers and prefixes: the one reading that fits is taken and told, and two are refused."""

import logging

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.interop.network_arrays import arrays_of
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import export_state_dict, import_state_dict

NAME = "fer_cnn"


def state_of(image_size=48, seed=0):
    """Names and arrays as PyTorch has them."""
    rng = np.random.default_rng(seed)
    weights = arrays_of(NAME, network(NAME)._replace(image_size=image_size), 7, {})
    return {key: rng.random(weight.torch_shape, np.float32) for key, weight in weights.items()}


@pytest.fixture(scope="module")
def state():
    return state_of()


def prefixed(prefix, state, but=()):
    return {key if key.split(".")[0] in but else prefix + key: value for key, value in state.items()}


def assert_taken(content, state, caplog, words):
    with caplog.at_level(logging.INFO, "ferjax"):
        loaded = import_state_dict(NAME, content)
    np.testing.assert_array_equal(loaded["params"]["fc2"]["bias"], state["fc2.bias"])
    assert all(word in caplog.text for word in words)
    assert bool(caplog.text) is bool(words)


@pytest.mark.parametrize("key", [
    "net", "model", "params", "model_state", "weight", "weights", "state_dict", "model_state_dict", "ema",
])  # fmt: skip
def test_a_state_dict_under_any_key_is_taken(state, key, caplog):
    content = {"epoch": 3, key: state, "optimizer": {"state": {0: {"exp_avg": np.zeros(3)}}}}
    assert_taken(content, state, caplog, [f"under {key!r}"])


def test_it_may_lie_deeper_or_in_a_tuple(state, caplog):
    assert_taken({"checkpoint": {"model": state}}, state, caplog, ["under 'checkpoint.model'"])
    assert_taken((3, state), state, caplog, ["under '1'"])


@pytest.mark.parametrize("prefix", [
    "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "backbone.", "encoder.net.",
    "model.module.",
])  # fmt: skip
def test_a_prefix_of_all_or_of_all_but_the_classifier_is_left_out(state, prefix, caplog):
    assert_taken(prefixed(prefix, state), state, caplog, [repr(prefix)])
    caplog.clear()
    assert_taken({"net": prefixed(prefix, state, but=["fc2"])}, state, caplog, ["under 'net'", repr(prefix)])


def test_a_wrapper_inside_of_names_is_left_out(state, caplog):
    state = {f"{key.split('.')[0]}.module.{key.split('.')[1]}": value for key, value in state.items()}
    assert_taken(state, {"fc2.bias": state["fc2.module.bias"]}, caplog, ["'module.'"])


def test_what_two_readings_fit_is_refused_but_for_the_usual_one(state, caplog):
    other = state_of(seed=1)
    with pytest.raises(UserError, match=r"under 'a', 'b' all fit; take one: .*torch\.load\(FILE\)\['a'\]"):
        import_state_dict(NAME, {"a": state, "b": other})
    assert_taken({"ema": other, "state_dict": state}, state, caplog, ["under 'state_dict'"])
    with pytest.raises(UserError, match=r"10 unknown: module\.conv1\.weight"):
        import_state_dict(NAME, state | prefixed("module.", other))


def test_numbers_and_texts_beside_the_arrays_are_left_out(state, caplog):
    assert_taken({**state, "epoch": 4, "arch": "cnn"}, state, caplog, ["no arrays: epoch, arch"])
    with pytest.raises(UserError, match=r"1 unknown: extra\.weight"):
        import_state_dict(NAME, {**state, "extra.weight": np.ones(2)})


def test_messages_are_short_and_name_the_place(state):
    content = {"net": {f"{'x' * 2000}\x1b{key}": value for key, value in state.items()}}
    for spoilt in (content, {"net": {key: value for key, value in state.items() if "conv1" not in key}}):
        with pytest.raises(
            UserError, match=r"the state dict under 'net'.* is not that of fer_cnn: "
        ) as error:
            import_state_dict(NAME, spoilt)
        assert len(str(error.value)) <= 400
        assert str(error.value).isprintable()


def test_content_that_holds_itself_is_searched_once(state):
    content = {"net": state}
    content["again"] = content
    assert "fc2" in import_state_dict(NAME, content)["params"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(state, value):
    with pytest.raises(UserError, match=r"1 of 10 arrays hold NaN or infinity \(conv1.bias\)"):
        import_state_dict(NAME, {**state, "conv1.bias": np.full(32, value, np.float32)})


@pytest.mark.parametrize("size", [24, 48])
def test_the_size_of_the_images_is_read_from_the_shapes(size, caplog):
    state = state_of(size)
    with caplog.at_level(logging.INFO, "ferjax"):
        variables = import_state_dict(NAME, {"net": state})
    assert (f"for images of {size} pixels" in caplog.text) is (size != 48)
    exported = export_state_dict(NAME, variables)
    assert {key: value.shape for key, value in exported.items()} == {k: v.shape for k, v in state.items()}
    with pytest.raises(
        UserError, match=r"image_size 40 is not that of its training; 1 wrong shapes: fc1\.weight"
    ):
        import_state_dict(NAME, state, image_size=40)
    assert "fc1" in import_state_dict(NAME, state, image_size=size)["params"]
