"""The auto-encoder gives PyTorch's numbers, forward and backward, and reads the authors' names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.mae_files import export_mae, import_mae
from ferjax.interop.torch_models.mae import MaskedAutoencoder
from ferjax.interop.torch_weights import import_state_dict
from ferjax.models import mae

SMALL = {"patch": 4, "width": 16, "depth": 2, "heads": 2}
DECODER = {"decoder_width": 8, "decoder_depth": 2, "decoder_heads": 2}


def ours():
    return mae.masked(models.create("vit_s16", **SMALL), 0.75, **DECODER)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    net = MaskedAutoencoder(image_size=16, **SMALL, **DECODER)
    with torch.no_grad():
        for name, values in net.named_parameters():
            if "pos_embed" not in name:
                values += 0.1 * torch.randn_like(values)
    return net.double()


@pytest.mark.parametrize("normalised", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_loss_guesses_and_gradients_are_pytorchs(theirs, normalised):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(3, 16, 16, 3))
    order = np.stack([rng.permutation(16) for _ in range(3)])
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    theirs.zero_grad()
    guessed = theirs(x, torch.from_numpy(order))
    expected = theirs.loss(x, guessed, torch.from_numpy(order), normalised)
    expected.backward()
    with jax.enable_x64(True):
        model = ours()
        variables = import_mae(model, theirs.state_dict(), 16)

        def loss(params):
            guessed = model.apply({"params": params}, jnp.asarray(images), train=True, order=order)
            wanted = mae.targets(mae.patches(jnp.asarray(images), 4), normalised)
            mask = mae.hidden(jnp.asarray(order), 4).astype(jnp.float64)
            return mae.reconstruction_loss(guessed, wanted, mask).mean(), guessed

        (value, found), slopes = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])
        np.testing.assert_allclose(value, expected.item(), rtol=1e-9)
        reference = guessed.detach().numpy()
        np.testing.assert_allclose(found, reference, rtol=1e-9, atol=1e-9 * np.abs(reference).max())
        slopes = export_mae(model, slopes, 16)
    compared = 0
    for name, values in theirs.named_parameters():
        if values.grad is None:  # positions, which are fixed
            assert "pos_embed" in name
            continue
        slope = values.grad.numpy()
        np.testing.assert_allclose(
            slopes[name], slope, rtol=1e-8, atol=1e-8 * max(np.abs(slope).max(), 1e-3), err_msg=name
        )
        compared += 1
    assert compared == len(slopes) - 2


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{name}": values for name, values in state.items()}},
    ],
    ids=["plain", "the authors'", "DataParallel"],
)
def test_a_round_trip_is_exact_and_finds_the_weights_in_a_file(theirs, wrapped):
    state = {name: values.numpy() for name, values in theirs.state_dict().items()}
    again = export_mae(ours(), import_mae(ours(), wrapped(state), 16)["params"], 16)
    assert again.keys() == state.keys()
    for name, values in state.items():
        np.testing.assert_array_equal(again[name], values)


def test_where_the_weights_were_found_is_told(theirs, caplog):
    state = {f"module.{name}": values.numpy() for name, values in theirs.state_dict().items()}
    with caplog.at_level("INFO"):
        import_mae(ours(), {"net": state}, 16)
    assert "taken under 'net', without 'module.' in their names" in caplog.text


def test_the_encoder_alone_becomes_a_vision_transformer(theirs):
    found = import_state_dict("vit_s16", theirs.state_dict(), head="new", image_size=16, **SMALL)["params"]
    whole = import_mae(ours(), theirs.state_dict(), 16)["params"]
    assert found.keys() - whole.keys() == {"fc_norm"}
    for name in found.keys() & whole.keys():
        jax.tree.map(np.testing.assert_array_equal, found[name], whole[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("decoder_pred.bias"),
            r"decoder_pred\.bias.*an encoder alone is imported by",
        ),
        (lambda state: state.update(extra=np.zeros(3)), "extra"),
        (lambda state: state.update(mask_token=np.zeros((1, 1, 9))), r"mask_token is \[1, 1, 9\], not"),
        (lambda state: state.update(mask_token=np.full((1, 1, 8), np.nan)), "mask_token"),
        (
            lambda state: state.update(mask_token=np.ones((1, 1, 8), np.complex64)),
            r"not arrays of floating-point numbers.*mask_token \(it is complex64",
        ),
        (
            lambda state: state.update(mask_token=torch.empty((1, 1, 8), device="meta")),
            r"not arrays of floating-point numbers.*mask_token \(",
        ),
    ],
)
def test_files_that_do_not_fit(theirs, change, message):
    state = {name: values.numpy() for name, values in theirs.state_dict().items()}
    change(state)
    with pytest.raises(UserError, match=message):
        import_mae(ours(), state, 16)


def test_a_file_without_names():
    with pytest.raises(UserError, match="it holds no state dict"):
        import_mae(ours(), [np.zeros(3)], 16)
    with pytest.raises(UserError, match="it holds no state dict"):
        import_mae(ours(), np.zeros(3), 16)
