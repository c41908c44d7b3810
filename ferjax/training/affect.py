"""A head for valence and arousal: one more linear layer beside the classifier, on what that one reads.

Its parameters stand among the network's under the name `affect`, where the network itself does not look: to
whatever only wants classes the network is the same with and without them. A classifier of K + 2 outputs, as
HSEmotion publishes it, is the same thing: its last two columns are the head.

References:
    Savchenko et al., Classifying emotions and engagement in online learning based on a single facial
    expression recognition neural network, IEEE Transactions on Affective Computing 2022: the loss of both
    tasks; Toisoul et al., Estimation of continuous valence and arousal levels from faces in naturalistic
    conditions, Nature Machine Intelligence 2021: 1 − CCC beside squared errors.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.layers.init import uniform_fan_in
from ferjax.training.classifier_input import classifier_input
from ferjax.training.paths import by_path, from_paths
from ferjax.training.stages import parameter_shapes

# Its place among the parameters, and in batches.
NAME = "affect"
NEEDED_BY = "affect.head"
OUTPUTS = 2  # valence, arousal


class Head(NamedTuple):
    """Where the head sits.

    Attributes:
        classifier: path of the linear layer whose input it reads.
        features: F, numbers that the layer reads.
    """

    classifier: str
    features: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each of its parameters."""
        return {"kernel": (self.features, OUTPUTS), "bias": (OUTPUTS,)}


def head_of(config: ConfigDict, model: nn.Module, image_shape: tuple[int, int, int]) -> Head | None:
    """Returns where the head sits, or None where the config has none; nothing is computed.

    Args:
        config: the group `affect` is read.
        model: the network.
        image_shape: `(H, W, C)`.

    Raises:
        UserError: the network does not end in a linear layer, or has a module of the head's name.
    """
    if config.affect.head == "none":
        return None
    classifier, features = classifier_input(model, image_shape, NEEDED_BY)
    if any(path.partition("/")[0] == NAME for path in parameter_shapes(model, image_shape)):
        raise UserError(f"{NEEDED_BY} adds a layer {NAME}, and {type(model).__name__} has one: rename it")
    return Head(classifier, features)


def with_head(shapes: Any, head: Head | None) -> Any:
    """Adds the head's parameters to the shapes of a network's variables, `{"params", …}`."""
    if head is None:
        return shapes
    own = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in head.shapes.items()}
    return {**shapes, "params": {**shapes["params"], NAME: own}}


def initial(head: Head, key: Key[Array, ""]) -> dict[str, Array]:
    """Draws its first parameters, as PyTorch draws a linear layer's."""
    init = uniform_fan_in(head.features)
    keys = jax.random.split(key, len(head.shapes))
    return {
        name: init(own, shape, jnp.float32)
        for own, (name, shape) in zip(keys, head.shapes.items(), strict=True)
    }


def predicted(params: Any, features: Float[Array, "B F"]) -> Float[Array, "B 2"]:
    """Computes valence and arousal, not squashed; in float32, or float64 for such features."""
    features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    return features @ params[NAME]["kernel"] + params[NAME]["bias"]


def squared_error(
    found: Float[Array, "B 2"], actual: Float[Array, "B 2"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes Σ (x − y)² over the known values, and how many those are.

    Args:
        found: what the head says.
        actual: NaN where unknown.
    """
    known = ~jnp.isnan(actual)
    # The inner `where` keeps NaN out of the gradient.
    apart = jnp.where(known, found - jnp.where(known, actual, 0), 0)
    return jnp.square(apart).sum(), known.sum(dtype=found.dtype)


def ccc_loss(found: Float[Array, "B 2"], actual: Float[Array, "B 2"]) -> Float[Array, ""]:
    """Computes ½(1 − CCC of valence) + ½(1 − CCC of arousal) over the known values of a whole batch.

    A batch with fewer than two known values of one of them adds 0 for it.

    Args:
        found: what the head says.
        actual: NaN where unknown.
    """
    known = ~jnp.isnan(actual)
    count = known.sum(0)
    x, y = jnp.where(known, found, 0), jnp.where(known, actual, 0)

    def mean(values: Array) -> Array:
        return jnp.where(known, values, 0).sum(0) / jnp.maximum(count, 1)

    mean_x, mean_y = mean(x), mean(y)
    covariance = mean((x - mean_x) * (y - mean_y))
    apart = mean(jnp.square(x - mean_x)) + mean(jnp.square(y - mean_y)) + jnp.square(mean_x - mean_y)
    ccc = 2 * covariance / jnp.maximum(apart, 1e-8)
    return jnp.where(count > 1, 1 - ccc, 0).mean()


def affect_loss(
    found: Float[Array, "B 2"], actual: Float[Array, "B 2"], name: str, known: Array | int
) -> Float[Array, ""]:
    """Computes the part of a batch's loss that some of its rows make.

    Args:
        found: what the head says.
        actual: NaN where unknown.
        name: `mse`, `ccc` or `both`, which is their sum. With `ccc` the rows are the whole batch.
        known: values of the whole batch that are known.
    """
    loss = jnp.zeros((), found.dtype)
    if name in ("mse", "both"):
        loss += squared_error(found, actual)[0] / jnp.maximum(known, 1)
    if name in ("ccc", "both"):
        loss += ccc_loss(found, actual)
    return loss


def joined(variables: Any, head: Head) -> Any:
    """Turns head and classifier of K outputs into one classifier of K + 2: valence and arousal are its last.

    Args:
        variables: `{"params", …}` with the head's parameters.
        head: where it sits.
    """
    params = {name: leaf for name, leaf in variables["params"].items() if name != NAME}
    own = variables["params"][NAME]
    flat = by_path(params)
    for name, value in own.items():
        path = f"{head.classifier}/{name}"
        flat[path] = np.concatenate([flat[path], value], axis=-1)
    return {**variables, "params": from_paths(flat)}


def parted(variables: Any, head: Head) -> Any:
    """Undoes `joined`.

    Args:
        variables: of a network of K + 2 outputs.
        head: where it shall sit.
    """
    flat, own = by_path(variables["params"]), {}
    for name in head.shapes:
        path = f"{head.classifier}/{name}"
        own[name], flat[path] = flat[path][..., -OUTPUTS:], flat[path][..., :-OUTPUTS]
    return {**variables, "params": {**from_paths(flat), NAME: own}}
