"""Every network with a counterpart gives PyTorch's numbers; the first layer that differs is named."""

import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax import models
from ferjax.interop import compared_jax, compared_torch, comparison
from ferjax.interop.compared import compare
from ferjax.interop.torch_networks import NETWORKS
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear

CHEAP = ("fer_cnn",)
# With gradients here, one network for each kind of layer; docs/parity.md has the gradients of all.
TRAINED = (
    "fer_cnn", "attentional_cnn", "sdl", "resnet18", "se_resnet18", "se_resnet50", "vgg16_bn", "vgg19_bn",
    "ran", "vit_tiny48", "efficientnet_b0", "emonext_tiny", "ir50", "poster_v2",
)  # fmt: skip
# Options that make a network affordable, with the same kinds of layers.
NARROW = {
    "vgg": {"hidden": 16},
    "vit": {"depth": 2},
    "efficientnet": {"width": 0.25},
    "convnext": {"width": 16},
    "ir50": {"depth": 18, "resized": 32},
    "poster_v2": {"depth": 18, "embedding": 64, "resized": 32},
    "resmaskingnet": {"width": 16},
}
NARROW["emonext"] = NARROW["convnext"]
EVALUATION = {"activations, evaluation", "logits, evaluation"}
TRAINING = {"activations, training", "logits, training", "loss", "gradients"}


def partings(groups):
    return {f"{group.precision} {group.what}": (group.parting, group.worst) for group in groups
            if group.parting}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        name if name in CHEAP else pytest.param(name, marks=pytest.mark.slow)
        for name in NETWORKS
        if name != "resemotenet"  # below
    ],
)
def test_every_network_gives_the_same_in_float64(name):
    """Outputs of every layer and block, logits, loss, running statistics and gradients."""
    table = NETWORKS[name]
    options = next((NARROW[family] for family in NARROW if name.startswith(family)), {})
    groups = compare(
        name,
        precisions=("float64",),
        training=name in TRAINED,
        steps=0,
        batch=4,
        # At 32 VGG's pooling has nothing to spread. Larger ones have the same layers, and take longer.
        image_size=min(table.image_size, 64) if name in TRAINED or options else table.image_size,
        options=options,
    )
    assert partings(groups) == {}
    by_what = {group.what: {gap.name for gap in group.gaps} for group in groups}
    expected = EVALUATION | TRAINING if name in TRAINED else EVALUATION
    assert by_what.keys() - {"running statistics"} == expected
    blocks = {block for block, _ in table.blocks}
    if name.startswith("vit"):
        depth = options["depth"]
        blocks = {block for block in blocks if int(block.split(".")[1]) < depth}
    assert {table.head, *blocks} <= by_what["activations, evaluation"]
    assert name not in TRAINED or f"{table.head}.weight" in by_what["gradients"]


def test_what_is_trained_here_is_registered():
    assert set(TRAINED) <= NETWORKS.keys()
    assert set(models.names()) >= NETWORKS.keys()
    assert len(NETWORKS) >= 31  # no file of tables is overlooked


@pytest.mark.slow
def test_resemotenet_in_float64():
    """Its five steps of both optimizers are in docs/parity.md; here they would take minutes."""
    groups = compare("resemotenet", precisions=("float64",), steps=0, batch=4, image_size=32)
    assert partings(groups) == {}
    assert len(groups) == len(EVALUATION | TRAINING | {"running statistics"})
    sizes = {group.what: len(group.gaps) for group in groups}
    assert sizes["activations, evaluation"] == sizes["activations, training"] == 34
    assert (sizes["running statistics"], sizes["gradients"]) == (24, 94 - 3 * 12)


@pytest.mark.slow
@pytest.mark.relative
def test_resemotenet_in_float32():
    narrower = compare(
        "resemotenet", precisions=("float32",), training=False, steps=0, batch=4, image_size=32
    )
    assert partings(narrower) == {}
    assert len(narrower) == len(EVALUATION)


@pytest.mark.slow
def test_five_steps_of_both_optimizers():
    """A network with batch normalisation, so that its running statistics are compared too."""
    groups = compare(
        "attentional_cnn", precisions=("float64",), training=False, steps=5, batch=4, image_size=48
    )
    assert partings(groups) == {}
    after = {group.what: len(group.gaps) for group in groups if "steps: " in group.what}
    for optimizer in ("sgd", "adamw"):
        assert after[f"{optimizer}, 5 steps: losses"] == 5
        assert after[f"{optimizer}, 5 steps: running statistics"] == 2
        assert after[f"{optimizer}, 5 steps: learning rates"] == 1


@pytest.mark.parametrize("recipe", comparison.RECIPES, ids=lambda recipe: recipe.optimizer)
def test_training_moves_the_weights_and_the_rate_falls(recipe):
    """Otherwise the comparison after steps would compare nothing."""
    state = compared_torch.fresh_state("fer_cnn", 7, 0, {})
    batches = comparison.random_batches(3, 2, 48, 7, 0)
    found = compared_torch.Side("fer_cnn", state, "float32", {}).steps(batches, recipe)
    rates = found["learning rates"]["learning rate"]
    np.testing.assert_allclose(rates, recipe.learning_rate * np.array([1, 0.75, 0.25]))
    assert all((weights != state[name]).any() for name, weights in found["weights"].items())


def test_a_difference_is_reported_at_the_layer_that_has_it(monkeypatch):
    """One side's second layer gets another bias: everything before it is the same."""

    def changed(name, variables, *arguments):
        variables["params"]["conv2"]["bias"] = variables["params"]["conv2"]["bias"] + 1e-3
        return side(name, variables, *arguments)

    side = compared_jax.Side
    monkeypatch.setattr(compared_jax, "Side", changed)
    groups = compare("fer_cnn", precisions=("float32",), steps=0, batch=2, image_size=48)
    found = {group.what: group.parting for group in groups}
    assert found["activations, evaluation"] == found["activations, training"] == "conv2"
    assert found["logits, evaluation"] == "logits"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ferjax", "torch-compare", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_it(tmp_path):
    arguments = ("--model=fer_cnn", "--batch=2", "--steps=0", "--precision=float64")
    done = command(*arguments, f"--out={tmp_path / 'parity.md'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("nowhere") == len(done.stdout.splitlines()) - 2
    written = (tmp_path / "parity.md").read_text()
    assert written.startswith(done.stdout.strip())
    assert "| conv1" in written
    assert "sgd" not in written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "inputs", "theirs"),
    [
        (Conv(64, 3, padding=1), (1, 4, 4, 3), lambda: torch.nn.Conv2d(3, 64, 3, padding=1)),
        (Conv(512, 3, stride=2, padding=1), (1, 4, 4, 256), lambda: torch.nn.Conv2d(256, 512, 3, 2, 1)),
        (Conv(512, 1, stride=2), (1, 4, 4, 256), lambda: torch.nn.Conv2d(256, 512, 1, stride=2)),
        (Linear(1024), (1, 2048), lambda: torch.nn.Linear(2048, 1024)),
        (Linear(16, use_bias=False), (1, 256), lambda: torch.nn.Linear(256, 16, bias=False)),
        (Linear(7), (1, 256), lambda: torch.nn.Linear(256, 7)),
    ],
    ids=["conv1", "res_block1.conv1", "res_block1.shortcut.0", "fc1", "se.fc.0", "fc4"],
)
def test_initial_weights_have_pytorchs_distribution(ours, inputs, theirs):
    """U(±1/√fan_in), also for biases, whose own shape does not determine fan_in."""
    params = ours.init(jax.random.key(0), jnp.zeros(inputs))["params"]
    torch.manual_seed(0)
    theirs = {name: value.numpy() for name, value in theirs().state_dict().items()}
    assert len(params) == len(theirs)
    bound = 1 / math.sqrt(np.prod(theirs["weight"].shape[1:]))
    for values in (*params.values(), *theirs.values()):
        values = np.asarray(values, np.float64)
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        # Mean and mean square of n such values, within five standard deviations.
        assert abs(values.mean()) <= 5 * bound / math.sqrt(3 * values.size)
        assert abs(3 * np.square(values).mean() / bound**2 - 1) <= 5 * math.sqrt(0.8 / values.size)
