"""The network of a config, without data, optimizer or steps: all that a prediction needs of a training."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ferjax import models
from ferjax.config import is_pretraining, model_options
from ferjax.config.text_fields import parse_l2
from ferjax.models import mae, simclr
from ferjax.training import losses


def create_model(config: ConfigDict, num_classes: int) -> nn.Module:
    """Creates the network of the group `model` in the precision of `train`, or its form for pre-training.

    Raises:
        UserError: names or options are wrong, or the network cannot be pre-trained so.
    """
    dtype = jnp.dtype(config.train.precision)
    model = models.create(config.model.name, num_classes, dtype=dtype, **model_options(config))
    if not is_pretraining(config):
        return model
    options = config.pretrain
    if options.method == "simclr":
        return simclr.contrasted(model, image_shape(config), options.projection_size)
    return mae.masked(
        model, options.mask_ratio, options.decoder_width, options.decoder_depth, options.decoder_heads
    )


def build_model(config: ConfigDict, num_classes: int) -> nn.Module:
    """Creates the network, and checks it with the config's image size and `loss.l2`; nothing is computed.

    Raises:
        UserError: it cannot take such images, or has not the weights that `loss.l2` names.
    """
    model = create_model(config, num_classes)
    if is_pretraining(config):  # it gives no logits
        images = jax.ShapeDtypeStruct((1, *image_shape(config)), jnp.float32)
        variables = jax.eval_shape(model.init, jax.random.key(0), images)
    else:
        variables = models.initial_shapes(model, image_shape(config))
    jax.eval_shape(partial(losses.l2_penalty, rules=parse_l2(config.loss.l2)), variables["params"])
    return model


def image_shape(config: ConfigDict) -> tuple[int, int, int]:
    """Returns (H, W, C) of the images that the network takes."""
    return (config.data.image_size, config.data.image_size, 3)
