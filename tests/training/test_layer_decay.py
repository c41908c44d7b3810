"""Decay of the learning rate by layer: its factors, and what a step does with them."""

import pytest
import tiny

from ferjax import models
from ferjax.config import stages_of
from ferjax.errors import UserError
from ferjax.training import stages
from ferjax.training.layer_decay import layer_rates
from ferjax.training.stages import parameter_shapes


def rates(name, size, decay=0.65, **options):
    model = models.create(name, **options)
    return layer_rates(model, parameter_shapes(model, (size, size, 3)), decay)


def test_a_vision_transformer_has_the_layers_of_mae():
    found = rates("vit_tiny48", 48, registers=1, pre_norm=True)
    for path in ("patch_embed/proj/kernel", "cls_token", "reg_token", "pos_embed", "norm_pre/scale"):
        assert found[path] == 0.65**10
    assert found["blocks_0/attn/qkv/kernel"] == 0.65**9
    assert found["blocks_8/norm2/bias"] == 0.65
    assert found["fc_norm/scale"] == found["head/kernel"] == 1


def test_a_residual_network_has_a_layer_a_block():
    found = rates("resnet34", 32, decay=0.5)
    assert found["conv1/kernel"] == found["bn1/scale"] == 0.5**17
    assert found["layer1_0/conv1/kernel"] == 0.5**16
    assert found["layer2_0/conv1/kernel"] == 0.5**13
    assert found["layer4_2/bn2/scale"] == 0.5
    assert found["fc/bias"] == 1


def test_a_network_without_layers_is_refused_with_those_that_have_them():
    names = r"which FERCNN has not; these have it: .*resnet18.*vit_tiny48; stages"
    with pytest.raises(UserError, match=names) as error:
        rates("fer_cnn", 48)
    assert len(str(error.value)) <= 400


def test_the_rules_of_a_stage_have_the_rates_times_its_own():
    config = tiny.tiny_configuration(optimizer__layer_decay=0.5, data__image_size=12)
    config.model = {"name": "vit_tiny48", "width": 16, "depth": 2, "heads": 2}
    model = models.create(**config.model)
    (stage,) = stages_of(config)
    plain = stages.rules(config, stage, model, (12, 12, 3)).rates
    assert plain["patch_embed/proj/kernel"] == 0.5**3
    stage.depth_decay = 0.1
    both = stages.rules(config, stage, model, (12, 12, 3)).rates
    assert both["blocks_1/mlp/fc1/kernel"] == pytest.approx(0.5 * 0.1)
    assert both["head/kernel"] == 1
