"""Networks with random weights, as `ferjax.inference.open_run.open_network` would give them."""

from functools import partial

import jax
import numpy as np
import tiny
from flax.traverse_util import flatten_dict, unflatten_dict

from ferjax.config import defaults
from ferjax.data.labels import FER7
from ferjax.inference.trained import Trained, trained_on_grey
from ferjax.training import affect, setup


def trained_network(name="tiny", temperature=1.7, options=None, **fields):
    """A network of seven classes whose answers differ between images.

    Args:
        name: of the network.
        temperature: as in `Trained`.
        options: of the network.
        **fields: of the config; `data__image_size=48` sets `data.image_size`.
    """
    config = tiny.tiny_configuration() if name == "tiny" else defaults()
    config.model.update(name=name, **(options or {}))
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in fields.items()})
    model = setup.build_model(config, len(FER7))
    images = np.zeros((1, *setup.image_shape(config)), np.float32)
    variables = drawn_variables(model, images, affect.head_of(config, model, setup.image_shape(config)))
    grey = trained_on_grey(None, config.data.name)
    return Trained(model, variables, config, FER7, config.data.image_size, temperature, grey)


def drawn_variables(model, images, affect_head=None):
    """Random variables of a network; nothing is compiled."""
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    shapes = affect.with_head(shapes, affect_head)
    rng = np.random.default_rng(0)
    flat = {path: _drawn(rng, path, leaf.shape) for path, leaf in flatten_dict(shapes, sep="/").items()}
    variables = {"params": {}, "batch_stats": {}, **unflatten_dict(flat, sep="/")}
    return {key: variables[key] for key in ("params", "batch_stats")}


def _drawn(rng, path, shape):
    """Kernels that keep the size of what they get, and a little noise elsewhere."""
    noise = rng.normal(size=shape).astype(np.float32)
    if path.endswith("kernel"):
        return noise * np.float32(1.5 / np.sqrt(np.prod(shape[:-1])))
    return np.float32(path.endswith(("scale", "var"))) + np.float32(0.1) * noise


def pictures(batch, size, seed=0):
    """uint8 `[batch, size, size, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (batch, size, size, 3), np.uint8)
