"""Names and layouts: exact round trips, and one clear message for a state dict that does not fit."""

import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest
import torch
from flax.traverse_util import flatten_dict

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.torch_models.resemotenet import ResEmoteNet
from ferjax.interop.torch_networks import NETWORKS, counterpart
from ferjax.interop.torch_weights import export_state_dict, import_state_dict

QUICK = ("fer_cnn", "resemotenet", "resnet18", "sdl")


@pytest.fixture(scope="module")
def torch_state():
    torch.manual_seed(0)
    net = ResEmoteNet()
    for name, buffer in net.named_buffers():  # fresh ones are all 0 or 1 and could change places unseen
        if not name.endswith("num_batches_tracked"):
            buffer.uniform_(0.5, 1.5)
    return net.state_dict()


@pytest.fixture(scope="module")
def variables(torch_state):
    return import_state_dict("resemotenet", torch_state)


@pytest.fixture
def blank():
    """PyTorch's names and shapes without the memory, for tests of what is refused before numbers are read."""
    with torch.device("meta"):
        state = ResEmoteNet().state_dict()
    return {key: np.broadcast_to(np.float32(0), value.shape) for key, value in state.items()}


def model_shapes(name, **options):
    size = NETWORKS[name].image_size
    model = models.create(name, **options)
    images = np.zeros((1, size, size, 3), np.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def assert_same(tree, expected):
    assert tree.keys() == expected.keys()
    for key, value in expected.items():
        assert tree[key].dtype == np.asarray(value).dtype, key
        np.testing.assert_array_equal(tree[key], np.asarray(value), err_msg=key)


@pytest.mark.slow
def test_from_torch_and_back_is_exact(torch_state, variables):
    exported = export_state_dict("resemotenet", variables)
    assert len(exported) == 94
    assert list(exported) == list(torch_state)
    assert_same(exported, torch_state)
    assert all(isinstance(value, np.ndarray) for value in exported.values())


@pytest.mark.slow
def test_to_torch_and_back_is_exact():
    rng = np.random.default_rng(0)
    random = jax.tree.map(
        lambda leaf: rng.random(leaf.shape, np.float32), model_shapes("resemotenet", num_classes=5)
    )
    exported = export_state_dict("resemotenet", random)
    with torch.device("meta"):
        net = ResEmoteNet(num_classes=5)
    tensors = {key: torch.from_numpy(value) for key, value in exported.items()}
    net.load_state_dict(tensors, strict=True, assign=True)
    back = import_state_dict("resemotenet", net.state_dict())
    assert_same(flatten_dict(back, sep="/"), flatten_dict(random, sep="/"))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_every_network_loads_into_its_counterpart(name):
    """Strictly, in PyTorch's order, and every row of the table names a layer."""
    options = {"hidden": 16, "pooled": 2, "width": 8} if name.startswith("vgg") else {}
    blank = jax.tree.map(
        lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), model_shapes(name, **options)
    )
    exported = export_state_dict(name, blank, published=False, **options)
    with torch.device("meta"):
        net = counterpart(name, 7, **options)
    tensors = {key: torch.from_numpy(value) for key, value in exported.items()}
    net.load_state_dict(tensors, strict=True, assign=True)
    assert list(exported) == list(net.state_dict())
    layers = {key.rpartition(".")[0] for key in exported}
    rows = {row.torch: row.optional for row in NETWORKS[name].rows}
    assert {layer for layer, optional in rows.items() if not optional} <= layers <= rows.keys()
    assert NETWORKS[name].head in layers


@pytest.mark.parametrize("name", [pytest.param("resnet18", marks=pytest.mark.slow), "se_resnet18"])
def test_the_same_scales_begin_at_zero(name):
    torch_state = counterpart(name, 7, zero_init_residual=True).state_dict()
    theirs = import_state_dict(name, torch_state, zero_init_residual=True)["params"]
    model = models.create(name, zero_init_residual=True)
    ours = jax.jit(lambda: model.init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32)))()["params"]

    def zero(tree):
        scales = flatten_dict(tree, sep="/")
        return {path for path, leaf in scales.items() if path.endswith("scale") and not np.any(leaf)}

    assert zero(ours) == zero(theirs)
    assert len(zero(ours)) == 8


def test_squeeze_and_excitation_has_the_common_names():
    keys = {row.torch for row in NETWORKS["se_resnet18"].rows}
    assert {"layer1.0.se.fc.0", "layer4.1.se.fc.2"} <= keys


def test_nothing_is_shared_with_the_other_side(torch_state, variables):
    before = variables["params"]["fc3"]["bias"].copy()
    exported = export_state_dict("resemotenet", variables)
    torch_state["fc3.bias"].add_(1)
    exported["fc3.bias"] += 1
    np.testing.assert_array_equal(variables["params"]["fc3"]["bias"], before)
    torch_state["fc3.bias"].copy_(torch.from_numpy(before))


def test_the_caller_may_know_the_batch_counter(variables):
    exported = export_state_dict("resemotenet", variables, num_batches_tracked=12)
    counters = [value for key, value in exported.items() if key.endswith("num_batches_tracked")]
    assert len(counters) == 12
    for counter in counters:
        np.testing.assert_array_equal(counter, np.array(12, np.int64), strict=True)


def test_files_without_counters_are_read(blank):
    state = {key: value for key, value in blank.items() if "num_batches" not in key}
    assert import_state_dict("resemotenet", state).keys() == {"params", "batch_stats"}


def test_half_precision_is_widened_and_double_is_kept(blank):
    for given, kept in (("float16", "float32"), ("float32", "float32"), ("float64", "float64")):
        state = {**blank, "fc3.bias": np.full(256, 0.1, given)}
        bias = import_state_dict("resemotenet", state)["params"]["fc3"]["bias"]
        assert bias.dtype == kept
        np.testing.assert_array_equal(bias, state["fc3.bias"])


def test_everything_that_does_not_fit_is_in_one_message(blank):
    del blank["conv1.bias"], blank["bn2.running_var"]
    blank |= {"res_block4.conv1.weight": np.zeros(3), "epoch": 4}
    blank["fc1.weight"] = blank["fc1.weight"].T
    blank["bn3.bias"] = np.zeros(())
    with pytest.raises(UserError) as error:
        import_state_dict("resemotenet", blank)
    message = str(error.value)
    for part in (
        "2 missing: conv1.bias, bn2.running_var;",
        "2 unknown: res_block4.conv1.weight, epoch;",
        "2 wrong shapes: bn3.bias is [], not [256], fc1.weight is [2048, 1024], not [1024, 2048]",
    ):
        assert part in message
    assert "\n" not in message


def test_a_state_dict_of_another_network_is_refused_in_a_short_line(blank):
    others = {f"layer{number}.{'long' * 50}.weight": np.zeros(2) for number in range(3000)}
    with pytest.raises(UserError) as error:
        import_state_dict("resemotenet", others)
    assert "has none of the names, such as conv1.weight, conv1.bias and 80 more; its names are" in str(
        error.value
    )
    assert len(str(error.value)) <= 400
    half = {key: value for key, value in blank.items() if key.startswith("res_block")}
    with pytest.raises(UserError, match=r"not that of resemotenet: 2[0-9] missing: conv1.weight, conv1.bias"):
        import_state_dict("resemotenet", half)
    with pytest.raises(UserError, match="maps names to arrays"):
        import_state_dict("resemotenet", {"model": {}})


def test_the_classifier_decides_the_number_of_classes(blank):
    blank |= {"fc4.weight": np.ones((8, 256), np.float32), "fc4.bias": np.ones(8, np.float32)}
    assert import_state_dict("resemotenet", blank)["params"]["fc4"]["kernel"].shape == (256, 8)
    with pytest.raises(UserError, match=r"has 8 classes, not 7: pass .*head='fit'"):
        import_state_dict("resemotenet", blank, num_classes=7)


@pytest.mark.parametrize("classes", [None, 7, 8])
def test_a_new_head_is_left_out(blank, classes):
    """It is left out where the file has none, one of the same size or one of another."""
    del blank["fc4.weight"], blank["fc4.bias"]
    if classes:
        blank |= {"fc4.weight": np.ones((classes, 256)), "fc4.bias": np.ones(classes)}
    loaded = import_state_dict("resemotenet", blank, num_classes=7, head="new")
    assert "fc4" not in loaded["params"]
    assert len(jax.tree.leaves(loaded)) == 94 - 12 - 2


@pytest.mark.parametrize(("classes", "kept"), [(7, True), (8, False)])
def test_a_head_that_does_not_fit_is_left_out(blank, classes, kept):
    blank |= {"fc4.weight": np.ones((classes, 256)), "fc4.bias": np.ones(classes)}
    loaded = import_state_dict("resemotenet", blank, num_classes=7, head="fit")
    assert ("fc4" in loaded["params"]) is kept


def test_the_head_rule_is_one_of_three(blank):
    with pytest.raises(UserError, match="'loose'; it takes strict, fit, new"):
        import_state_dict("resemotenet", blank, head="loose")


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (torch.zeros(7, dtype=torch.bfloat16), r"fc4\.bias \(.*BFloat16"),
        (torch.zeros(7, requires_grad=True), r"fc4\.bias \(.*requires grad"),
        (np.zeros(7, np.int32), r"fc4\.bias \(it is int32\)"),
    ],
)
def test_an_array_that_cannot_be_a_weight_is_named(blank, bias, message):
    with pytest.raises(UserError, match=message):
        import_state_dict("resemotenet", {**blank, "fc4.bias": bias})


@pytest.mark.parametrize("state", [3, ["conv1.weight"], {0: 1}, None])
def test_other_objects_than_state_dicts_are_refused(state):
    with pytest.raises(UserError, match=r"maps names to arrays.*model\.state_dict\(\)"):
        import_state_dict("resemotenet", state)


def test_variables_of_another_network_are_refused(variables):
    params = {key: value for key, value in variables["params"].items() if key != "se"}
    params["attention"] = {"kernel": np.zeros((2, 2))}
    with pytest.raises(UserError) as error:
        export_state_dict("resemotenet", {**variables, "params": params})
    assert "2 missing: params/se/fc1/kernel, params/se/fc2/kernel" in str(error.value)
    assert "1 unknown: params/attention/kernel" in str(error.value)


def test_a_network_without_a_table_is_refused():
    with pytest.raises(
        UserError,
        match=r"'resemotnet' has no counterpart in PyTorch; the nearest that have one are resemotenet\b",
    ):
        import_state_dict("resemotnet", {})


def test_torch_is_not_imported():
    program = "import sys, ferjax.interop.torch_weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
