"""The two stages: the layers that each trains, and that the face net costs nothing where it is not needed.

The face net is a stand-in of one layer, which compiles fast; the stages do not depend on its layers.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from configs import facenet2expnet, ran_facenet2expnet
from ferjax import models
from ferjax.cluster.mesh import global_batch, make_mesh
from ferjax.data.memory_source import MemorySource
from ferjax.layers.conv import Conv
from ferjax.layers.norm import BatchNorm
from ferjax.models.facenet import TRUNK_FEATURES
from ferjax.models.facenet2expnet import ExpressionNet
from ferjax.recipes.proposal import two_stages
from ferjax.training import setup

SIZE, WIDTH, BATCH = 75, 2, 4
RECIPES = {"facenet2expnet": facenet2expnet, "ran_facenet2expnet": ran_facenet2expnet}


class OneLayer(nn.Module):
    """A face net that does more work than the whole expression net of `WIDTH`."""

    fixed_standardisation: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, images, train):
        x = Conv(TRUNK_FEATURES, 3, stride=2, name="conv")(images)
        return BatchNorm(name="bn")(x, train).mean(axis=(1, 2))


@pytest.fixture(scope="module", autouse=True)
def one_layer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferjax.models.facenet2expnet.FaceFeatures", OneLayer)
        yield


def flops(compiled) -> float:
    return compiled.cost_analysis()["flops"]


def face_flops() -> float:
    """Counts those of the face net's forward pass: two for each multiply-add of its convolution."""
    return 2 * BATCH * (SIZE // 2) ** 2 * 3 * 9 * TRUNK_FEATURES


def batch_of_noise():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8), np.arange(BATCH, dtype=np.int32)


@pytest.mark.parametrize("name", RECIPES)
def test_the_face_net_costs_nothing_at_inference(name):
    model = models.create(name, width=WIDTH)
    images = jax.ShapeDtypeStruct((BATCH, SIZE, SIZE, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    assert "face_net" in variables["params"]
    assert flops(jax.jit(model.apply).lower(variables, images).compile()) < 0.3 * face_flops()


@pytest.mark.slow
@pytest.mark.relative
def test_the_loss_is_the_mean_squared_error_to_the_frozen_net():
    model = models.create("facenet2expnet", width=WIDTH)
    images = jax.random.normal(jax.random.key(0), (BATCH, SIZE, SIZE, 3))
    start = jax.jit(lambda key: model.init(key, images))(jax.random.key(1))
    start = {key: start[key] for key in ("params", "batch_stats")}
    keys = {"dropout": jax.random.key(2)}

    @jax.jit
    def run(variables):
        _, updates = model.apply(variables, images, train=True, mutable=["losses", "batch_stats"], rngs=keys)
        parts = {
            part: {key: variables[key][part] for key in variables} for part in ("face_net", "expression_net")
        }
        face = OneLayer().apply(parts["face_net"], images, train=False)
        expression, _ = ExpressionNet(WIDTH).apply(
            parts["expression_net"], images, train=True, mutable=["batch_stats"]
        )
        return updates["losses"]["face_features"], face, expression

    loss, face, expression = run(start)
    expected = [np.mean((np.float64(a) - np.float64(b)) ** 2) for a, b in zip(face, expression, strict=True)]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.fixture(scope="module", params=sorted(RECIPES))
def trained(request):
    """The weights before, between and after a step of each stage, and the steps' sums and operations."""
    config = RECIPES[request.param].get_config()
    config.model.width = WIDTH
    config.train.batch_size = BATCH
    if request.param == "ran_facenet2expnet":  # on the toons it goes on from a run of the first stage
        two_stages(config, epochs=(1.0, 1.0), learning_rates=(1e-3, 1e-3), then="region_bias")
    images, labels = batch_of_noise()
    source = MemorySource(images, labels, label_names=tuple("abcdefg"), name="noise", split="train")
    mesh = make_mesh(config.mesh)
    parts = setup.assemble(config, source, mesh)
    assert len(parts.train_steps) == 2
    batch = global_batch(source.take(np.arange(BATCH)), mesh)
    state = parts.init(np.uint32(0))
    weights, sums, costs = [arrays(state)], [], []
    for step in parts.train_steps:
        compiled = step.lower(state, batch).compile()
        costs.append(flops(compiled))
        state, step_sums = compiled(state, batch)
        weights.append(arrays(state))
        sums.append(jax.device_get(step_sums))
    return request.param, weights, sums, costs


def arrays(state):
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    return {path: np.array(leaf) for path, leaf in flatten_dict(variables, sep="/").items()}


def changed(before, after):
    """The top-level modules whose parameters or statistics moved."""
    return {path.split("/")[1] for path in before if (before[path] != after[path]).any()}


@pytest.mark.slow
@pytest.mark.relative
def test_each_stage_trains_its_layers_and_no_others(trained):
    name, (start, between, end), (first, second), _ = trained
    attention = {"attention"} if name.startswith("ran") else set()
    assert changed(start, between) == {"expression_net"}
    assert changed(between, end) == {"expression_net", "fc1", "fc2"} | attention
    assert first["auxiliary_loss"] > 0
    assert ("auxiliary_loss" in second) == bool(attention)


@pytest.mark.slow
@pytest.mark.relative
def test_the_face_net_costs_one_forward_pass_and_only_in_the_first_stage(trained):
    _, _, _, (first, second) = trained
    assert 0.9 * face_flops() < first - second < 1.1 * face_flops()
