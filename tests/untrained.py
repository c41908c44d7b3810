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


def write_run(folder, grey=None, **fields):
    """A workdir as training leaves it while it is not finished; the network is registered already.

    What earlier versions wrote tells not whether images were `grey`.
    """
    config = tiny.tiny_configuration(**fields)
    model = setup.build_model(config, len(LABELS))
    size = config.data.image_size
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    rng = np.random.default_rng(3)
    # Large enough for classes to differ; variances are above 0.
    variables = jax.tree.map(
        lambda leaf: rng.uniform(0.1, 0.6, leaf.shape).astype(leaf.dtype), {"batch_stats": {}, **shapes}
    )
    facts = {"label_names": list(LABELS), "image_size": size} | ({} if grey is None else {"grey": grey})
    weights.save(folder, config.model.name, variables, facts)
    write_json_atomic(folder / "config.json", json.loads(config.to_json()))
    return folder
