"""ResEmoteNet and its PyTorch counterpart give the same numbers, layer by layer and step by step."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax.traverse_util import flatten_dict
from torch.nn import functional

from ferjax import config as ferjax_config
from ferjax import models, optimizers, schedules
from ferjax.data.augment import IMAGENET_MEAN, IMAGENET_STD, normalise
from ferjax.interop.torch_models.resemotenet import ResEmoteNet
from ferjax.interop.torch_names import CONV, NETWORKS
from ferjax.interop.torch_weights import export_state_dict, import_state_dict
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.losses import cross_entropy
from ferjax.state import TrainState
from ferjax.steps import make_train_step

ROWS = NETWORKS["resemotenet"].rows
# PyTorch's module → the path of ours: the layers of the table and the blocks that they make up.
MODULES = {row.torch: row.flax for row in ROWS} | {
    block: block for block in ("se", "res_block1", "res_block2", "res_block3")
}
# Batch normalisation takes a preceding bias away again, so its gradient is zero but for rounding.
CANCELLED = {f"{row.torch}.bias" for row in ROWS if row.kind is CONV}
# Exact in few bits, so that the training step may add them up in float32.
CLASS_WEIGHTS = np.array([0.875, 1.25, 1.0, 0.5, 1.125, 0.75, 1.5], np.float32)
RATE, MOMENTUM, DECAY = 0.01, 0.9, 1e-4
BATCH, STEPS = 8, 5


@pytest.fixture(scope="module")
def batches():
    """uint8 `[STEPS, BATCH, 32, 32, 3]` and int32 `[STEPS, BATCH]`."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (STEPS, BATCH, 32, 32, 3), np.uint8)
    return images, rng.integers(0, 7, (STEPS, BATCH), np.int32)


def torch_net():
    """Float64, without dropout, and with nothing left at the 0 or 1 that batch normalisation starts from."""
    torch.manual_seed(0)
    net = ResEmoteNet(dropout=(0.0, 0.0))
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                for values in (layer.weight, layer.running_var):
                    values.uniform_(0.7, 1.3)
                for values in (layer.bias, layer.running_mean):
                    values.uniform_(-0.2, 0.2)
    return net.double()


def torch_images(images):
    """uint8 `[B, H, W, 3]` to normalised float64 `[B, 3, H, W]`."""
    mean, std = torch.tensor([IMAGENET_MEAN, IMAGENET_STD], dtype=torch.float64)
    return ((torch.from_numpy(images).double() / 255 - mean) / std).permute(0, 3, 1, 2)


def torch_loss(logits, labels):
    weights = torch.from_numpy(CLASS_WEIGHTS).to(logits.dtype)
    return functional.cross_entropy(logits, torch.from_numpy(labels).long(), weights)


def torch_forward(net, images):
    """Logits, and every module's output by name in the order of computation, `[B, H, W, C]` or `[B, C]`."""
    outputs = {}

    def keep(name, _module, _inputs, output):
        output = output.detach().numpy()
        outputs[name] = output.transpose(0, 2, 3, 1).copy() if output.ndim == 4 else output.copy()

    hooks = [net.get_submodule(name).register_forward_hook(partial(keep, name)) for name in MODULES]
    logits = net(images)
    for hook in hooks:
        hook.remove()
    return logits, outputs


def model(dtype):
    return models.create("resemotenet", stem_dropout=0.0, head_dropout=0.0, dtype=dtype)


@partial(jax.jit, static_argnames=("dtype", "train"))
def jax_forward(variables, images, dtype, train):
    """Logits, updated statistics and every module's output by PyTorch's name."""
    logits, updates = model(dtype).apply(
        variables, images, train, capture_intermediates=True, mutable=["batch_stats", "intermediates"]
    )
    captured = flatten_dict(updates["intermediates"], sep="/")
    outputs = {name: captured[f"{path}/__call__"][0] for name, path in MODULES.items()}
    return logits, updates["batch_stats"], outputs


@partial(jax.jit, static_argnames="dtype")
def jax_training(variables, images, labels, dtype):
    """Loss, (logits, statistics, outputs) and gradients in training mode."""

    def loss_of(params):
        logits, stats, outputs = jax_forward({**variables, "params": params}, images, dtype, train=True)
        loss, weight = cross_entropy(logits, labels, jnp.asarray(CLASS_WEIGHTS))
        return loss.sum() / weight.sum(), (logits, stats, outputs)

    (loss, aux), gradients = jax.value_and_grad(loss_of, has_aux=True)(variables["params"])
    return loss, *aux, gradients


def run_torch(net, images, labels):
    """One evaluation and one training pass, by PyTorch's names."""
    eval_logits, eval_outputs = torch_forward(net.eval(), images)
    logits, outputs = torch_forward(net.train(), images)
    loss = torch_loss(logits, labels)
    loss.backward()
    return {
        "evaluation": {**eval_outputs, "logits": eval_logits.detach().numpy()},
        "training": {**outputs, "logits": logits.detach().numpy(), "loss": loss.detach().numpy()},
        "statistics": {name: b.numpy() for name, b in net.named_buffers() if "running" in name},
        # From the loss backwards, the order in which they are computed.
        "gradients": {name: p.grad.numpy() for name, p in reversed(list(net.named_parameters()))},
    }


def run_jax(variables, images, labels, dtype):
    """The same of ferjax, and in the same names."""
    variables = jax.tree.map(lambda x: np.asarray(x, dtype), variables)
    images = normalise(images, dtype)
    eval_logits, _, eval_outputs = jax_forward(variables, images, dtype, train=False)
    loss, logits, stats, outputs, gradients = jax_training(variables, images, labels, dtype)
    # Gradients have the tree of the weights, so the table names them too.
    named = export_state_dict("resemotenet", {"params": gradients, "batch_stats": stats})
    return {
        "evaluation": {**eval_outputs, "logits": eval_logits},
        "training": {**outputs, "logits": logits, "loss": loss},
        "statistics": named,
        "gradients": named,
    }


def gap(ours, theirs, name):
    """Largest difference, relative to the largest value; of a cancelled bias, to its weight's."""
    assert ours[name].shape == theirs[name].shape
    scale = theirs[name.replace("bias", "weight") if name in CANCELLED else name]
    return np.abs(np.asarray(ours[name], np.float64) - theirs[name]).max() / np.abs(scale).max()


def gaps(ours, theirs):
    return {name: gap(ours, theirs, name) for name in theirs}


def first_above(tolerance, gaps):
    """The first name whose arrays part, and how far; None if none do."""
    return next(((name, gap) for name, gap in gaps.items() if not gap <= tolerance), None)


@pytest.fixture(scope="module")
def parted(batches):
    """How far ferjax in float64 and in float32 is from PyTorch in float64: precision → group → name → gap."""
    net = torch_net()
    images, labels = batches[0][0], batches[1][0]
    variables = import_state_dict("resemotenet", net.state_dict())
    theirs = run_torch(net, torch_images(images), labels)
    found = {}
    for precision in ("float64", "float32"):
        with jax.enable_x64(precision == "float64"):
            dtype = jnp.dtype(precision)
            ours = run_jax(variables, images, labels, dtype)
            assert {value.dtype for value in ours["training"].values()} == {dtype}
            found[precision] = {group: gaps(ours[group], theirs[group]) for group in theirs}
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("group", ["evaluation", "training", "statistics"])
def test_every_layer_gives_the_same(parted, group, precision, tolerance):
    found = parted[precision][group]
    assert len(found) == {"evaluation": 34 + 1, "training": 34 + 2, "statistics": 24}[group]
    assert first_above(tolerance, found) is None


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-8), ("float32", 1e-3)])
def test_every_gradient_is_the_same(parted, precision, tolerance):
    found = parted[precision]["gradients"]
    assert len(found) == 94 - 3 * 12
    assert first_above(tolerance, found) is None


def torch_steps(net, batches):
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    losses = []
    for images, labels in zip(*batches, strict=True):
        optimizer.zero_grad()
        loss = torch_loss(net.train()(torch_images(images)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def jax_steps(variables, batches):
    """Through the parts of a real run: its config, optimizer, schedule, state and training step."""
    config = ferjax_config.defaults()
    config.augment.flip = False
    config.optimizer.update(name="sgd", momentum=MOMENTUM, weight_decay=DECAY)
    config.schedule.update(name="constant", learning_rate=RATE)
    schedule = schedules.create(config.schedule, 1.0, STEPS)
    tx = optimizers.create(config.optimizer, schedule)
    step = make_train_step(model(jnp.float64), tx, schedule, config, CLASS_WEIGHTS, jnp.float64)
    params = jax.tree.map(jnp.asarray, variables["params"])
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables["batch_stats"],
        opt_state=tx.init(params),
        ema=None,
        rng=jax.random.key(0),
        lr_scale=jnp.ones((), jnp.float32),
    )
    step, losses = jax.jit(step, donate_argnums=0), []
    for images, labels in zip(*batches, strict=True):
        state, sums = step(state, {"image": images, "label": labels})
        losses.append(float(sums["loss"] / sums["weight"]))
    return losses, state.variables


@pytest.mark.slow
def test_five_steps_of_sgd_agree(batches):
    net = torch_net()
    variables = import_state_dict("resemotenet", net.state_dict())
    expected = torch_steps(net, batches)
    with jax.enable_x64(True):
        losses, trained = jax_steps(variables, batches)
    del variables
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert len(set(losses)) == STEPS
    exported = export_state_dict("resemotenet", trained, num_batches_tracked=STEPS)
    theirs = {name: value.numpy() for name, value in net.state_dict().items()}
    assert first_above(1e-6, gaps(exported, theirs)) is None


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
    """U(±1/√fan_in), for the biases too, whose own shape does not tell it."""
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
