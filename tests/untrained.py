"""A workdir of the tiny network with random weights, made without training."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from ferjax.files import write_json_atomic
from ferjax.runs import weights
from ferjax.training import setup

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def write_run(folder, **fields):
    """A workdir as training leaves it while it is not finished; the network is registered already."""
    config = tiny.tiny_configuration(**fields)
    model = setup.build_model(config, len(LABELS))
    size = config.data.image_size
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    rng = np.random.default_rng(3)
    # Large enough for classes to differ; variances are above 0.
    variables = jax.tree.map(
        lambda leaf: rng.uniform(0.1, 0.6, leaf.shape).astype(leaf.dtype), {"batch_stats": {}, **shapes}
    )
    weights.save(folder, "tiny", variables, {"label_names": list(LABELS), "image_size": size})
    write_json_atomic(folder / "config.json", json.loads(config.to_json()))
    return folder
