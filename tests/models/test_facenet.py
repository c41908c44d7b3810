"""FaceNet's sizes, its embedding, and the scale that its published weights expect."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from configs import facenet2expnet
from ferjax import models
from ferjax.augment import normalise
from ferjax.data.labels import FER7
from ferjax.errors import UserError
from ferjax.models.facenet import fixed_standardisation
from ferjax.training import array_outcomes
from ferjax.training.initial_weights import Origin

EMBEDDED = 23_482_624  # parameters with the embedding and without a classifier, as facenet-pytorch has


@pytest.mark.slow
@pytest.mark.relative
@pytest.mark.parametrize("size", [75, 160])
def test_sizes(size):
    model = models.create("facenet", num_classes=0)
    init = jax.eval_shape(model.init_with_output, jax.random.key(0), jnp.zeros((2, size, size, 3)))
    assert init[0].shape == (2, 512)
    assert sum(leaf.size for leaf in jax.tree.leaves(init[1]["params"])) == EMBEDDED


@pytest.mark.parametrize("name", ["facenet", "facenet2expnet", "ran_facenet2expnet"])
@pytest.mark.parametrize("shape", [(1, 74, 80, 3), (1, 80, 74, 3), (1, 80, 80, 1)])
def test_images_of_a_wrong_shape_are_refused(name, shape):
    with pytest.raises(UserError, match=f"{name} takes images .* at least 75×75"):
        jax.eval_shape(models.create(name).init, jax.random.key(0), jnp.zeros(shape))


def test_fixed_standardisation_of_normalised_images_is_facenets_of_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    found = fixed_standardisation(normalise(jnp.asarray(pixels), jnp.float32))
    np.testing.assert_allclose(found, (pixels - 127.5) / 128, atol=1e-6)


@pytest.mark.slow
@pytest.mark.relative
def test_embeddings_have_length_one_and_a_fresh_net_does_not_vanish():
    model = models.create("facenet", num_classes=0)
    start = jax.jit(
        partial(
            model.init_with_output,
            capture_intermediates=lambda module, _: module.name == "block8",
            mutable=["params", "batch_stats", "intermediates"],
        )
    )
    images = jax.random.normal(jax.random.key(0), (3, 75, 75, 3))
    embeddings, updates = start(jax.random.key(1), images)
    np.testing.assert_allclose(jnp.linalg.norm(embeddings, axis=-1), 1, rtol=1e-5)
    (features,) = updates["intermediates"]["block8"]["__call__"]
    assert features.std(axis=0).mean() > 0.01  # images differ in it, before any statistics are trained


def shapes_of(model):
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 75, 75, 3)))
    found = {key: variables[key] for key in ("params", "batch_stats")}
    return {path: leaf.shape for path, leaf in flatten_dict(found, sep="/").items()}


def layer_of(path):
    """Names a layer of the face net as in `facenet`, others by their module."""
    module, layer = path.split("/")[1:3]
    return layer if module == "face_net" else module


@pytest.mark.slow
@pytest.mark.relative
def test_its_weights_are_a_source_for_facenet2expnets_face_net():
    config = facenet2expnet.get_config("fer2013")
    config.data.image_size = 75
    blank = np.float32(0)
    arrays = {
        path: np.broadcast_to(blank, shape) for path, shape in shapes_of(models.create("facenet")).items()
    }
    source = Origin("weights", "facenet", arrays, None, None, None, [])
    model = models.create("facenet2expnet")
    outcomes = {}
    for row in array_outcomes.decide(source, config, model, FER7, shapes_of(model)):
        outcomes.setdefault(row.outcome, set()).add(layer_of(row.path))
    assert outcomes[array_outcomes.SKIPPED] == {"last_linear", "last_bn", "logits"}
    assert {"conv2d_1a", "repeat_2_9", "block8"} < outcomes[array_outcomes.LOADED]
    assert outcomes[array_outcomes.NEW] == {"expression_net", "fc1", "fc2"}
    assert len(outcomes) == 3
