"""Files of MAE, FMAE, DINOv2, timm and CLIP become vision transformers, and what is left out is told."""

import logging

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.torch_weights import export_state_dict, import_state_dict
from ferjax.layers.positions import resampled

TINY = {"patch": 8, "width": 16, "depth": 2, "heads": 2}


def state_of(size=24, **options):
    """Random weights under ferjax's own PyTorch names."""
    model = models.create("vit_s16", **TINY, **options)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), np.zeros((1, size, size, 3), np.float32)))
    rng = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    return export_state_dict("vit_s16", drawn, image_size=size, **TINY, **options)


def read(state, size=24, **options):
    head = options.pop("head", "strict")
    return import_state_dict("vit_s16", state, image_size=size, head=head, **TINY, **options)["params"]


def assert_same(found, state, **options):
    own = read(state, **options)
    for path, value in flatten_dict(found, sep="/").items():
        np.testing.assert_array_equal(value, flatten_dict(own, sep="/")[path], err_msg=path)


def test_positions_of_another_image_size_are_resampled(caplog):
    state = state_of(24)
    with caplog.at_level(logging.INFO):
        found = read(state, size=40)
    np.testing.assert_allclose(found["pos_embed"], resampled(state["pos_embed"], 26))
    assert "positions are resampled from 3×3 to 5×5 patches" in caplog.text
    with pytest.raises(UserError, match=r"pos_embed is \[1, 8, 16\], not \[1, 26, 16\]"):
        read({**state, "pos_embed": state["pos_embed"][:, :8]}, size=40)  # no square of places


def test_the_image_size_is_read_off_the_positions_if_it_is_not_known():
    state = state_of(56)
    found = import_state_dict("vit_s16", state, **TINY)["params"]
    np.testing.assert_array_equal(found["pos_embed"], state["pos_embed"])


def test_mae_after_pre_training(caplog):
    state = state_of(pool="token")
    body = {key: value for key, value in state.items() if not key.startswith("head.")}
    dead = {"mask_token": np.zeros((1, 1, 8)), "decoder_blocks.0.norm1.weight": np.zeros(8)}
    with caplog.at_level(logging.INFO):
        found = read({"model": {**body, **dead}}, head="new")
    assert (
        "left out, for the network does not use them: mask_token, decoder_blocks.0.norm1.weight"
        in caplog.text
    )
    assert "fc_norm begins anew" in caplog.text
    assert "head" not in found
    np.testing.assert_array_equal(found["fc_norm"]["scale"], 1)
    np.testing.assert_array_equal(
        found["blocks_1"]["attn"]["qkv"]["kernel"], state["blocks.1.attn.qkv.weight"].T
    )
    kept = read({**body, **dead}, head="new", pool="token")
    np.testing.assert_array_equal(kept["norm"]["scale"], state["norm.weight"])


def test_fmae_has_two_heads_of_which_one_is_called(caplog):
    state = state_of()
    theirs = {key.replace("head.", "AU_head."): value for key, value in state.items()}
    theirs |= {"head.weight": np.zeros((1000, 16)), "head.bias": np.zeros(1000)}
    with caplog.at_level(logging.INFO):
        assert_same(read({"model": theirs}), state)
    assert "the classifier is its AU_head" in caplog.text


def test_dinov2_with_registers_by_its_authors_and_by_timm(caplog):
    options = {"registers": 4, "layer_scale": 1e-5, "pool": "token"}
    state = state_of(**options)
    body = {key: value for key, value in state.items() if not key.startswith("head.")}
    theirs = {key.replace("reg_token", "register_tokens"): value for key, value in body.items()}
    assert_same(read({**theirs, "mask_token": np.zeros((1, 16))}, head="new", **options), state, **options)
    by_timm = {**state, "pos_embed": state["pos_embed"][:, 1:]}
    with caplog.at_level(logging.INFO):
        found = read(by_timm, **options)
    assert "its positions have none for the class token, which gets 0" in caplog.text
    np.testing.assert_array_equal(found["pos_embed"][:, 0], 0)
    np.testing.assert_array_equal(found["pos_embed"][:, 1:], by_timm["pos_embed"])


def test_clip_s_image_tower(caplog):
    options = {"pre_norm": True, "activation": "quick_gelu", "epsilon": 1e-5, "pool": "token"}
    state = state_of(**options)
    names = [
        ("cls_token", "class_embedding"), ("pos_embed", "positional_embedding"),
        ("patch_embed.proj.", "conv1."), ("norm_pre.", "ln_pre."), (".norm1.", ".ln_1."),
        (".norm2.", ".ln_2."), ("attn.qkv.", "attn.in_proj_"), ("attn.proj.", "attn.out_proj."),
        ("mlp.fc1.", "mlp.c_fc."), ("mlp.fc2.", "mlp.c_proj."), ("blocks.", "transformer.resblocks."),
    ]  # fmt: skip
    theirs = {}
    for key, value in state.items():
        key = key.replace("norm.", "ln_post.") if key.startswith("norm.") else key
        for ours, clip in names:
            key = key.replace(ours, clip)
        theirs[f"visual.{key}"] = value
    theirs = {key: value for key, value in theirs.items() if "head." not in key}
    theirs["visual.class_embedding"] = state["cls_token"][0, 0]
    theirs["visual.positional_embedding"] = state["pos_embed"][0]
    theirs["visual.proj"] = np.zeros((16, 4))
    text = {"transformer.resblocks.0.ln_1.weight": np.zeros(3), "logit_scale": np.zeros(())}
    with caplog.at_level(logging.INFO):
        assert_same(read({**theirs, **text}, head="new", **options), state, **options)
    assert "it is CLIP's: 3 arrays outside of the image's blocks are left out" in caplog.text


def test_a_file_with_options_that_were_not_given_is_refused_with_their_names():
    state = state_of(layer_scale=1e-5)
    with pytest.raises(UserError, match=r"4 unknown: blocks\.0\.ls1\.gamma"):
        read(state)
