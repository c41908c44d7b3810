"""Group DRO: groups that the network does badly on count more, so that the worst group gets better.

References:
    Sagawa et al., Distributionally robust neural networks for group shifts: on the importance of
    regularization for worst-case generalization, ICLR 2020, algorithm 1 and section 3.3. As in the authors'
    code, every group of a batch is updated, instead of one that is drawn.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from ml_collections import ConfigDict

from ferjax.data.sources import Source
from ferjax.data.training_groups import groups_of


class GroupRule(NamedTuple):
    """What the method needs to know of a run.

    Attributes:
        names: of the G groups.
        codes: int32 `[N]`, the group of each example of the training split.
        rate: the step size of the groups' weights.
        offsets: float32 `[G]`, what is added to each group's loss when the weights are updated: C / √n.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    rate: float
    offsets: np.ndarray


def rule_of(config: ConfigDict, train: Source) -> GroupRule | None:
    """Returns what the method needs, or None where it is off.

    Raises:
        UserError: the training split does not have the groups.
    """
    if not config.loss.group_dro:
        return None
    groups = groups_of(train, config.data.groups)
    counts = np.bincount(groups.codes, minlength=len(groups.names))
    offsets = config.loss.group_dro_adjustment / np.sqrt(counts)
    return GroupRule(groups.names, groups.codes, config.loss.group_dro, offsets.astype(np.float32))


def initial(count: int) -> Float[Array, " G"]:
    """Returns the weights at the beginning: all alike, with sum 1."""
    return jnp.full(count, 1 / count, jnp.float32)


def group_losses(
    losses: Float[Array, " B"], weights: Float[Array, " B"], groups: Int[Array, " B"], count: int
) -> tuple[Float[Array, " G"], Float[Array, " G"]]:
    """Computes the mean loss of each group in a batch.

    Args:
        losses: of each example, times its weight.
        weights: of each example.
        groups: of each example.
        count: G.

    Returns:
        The means, 0 for a group that the batch lacks, and which groups it has, 1 or 0.
    """
    total = jax.ops.segment_sum(losses, groups, count)
    weight = jax.ops.segment_sum(weights, groups, count)
    present = weight > 0
    return jnp.where(present, total / jnp.where(present, weight, 1), 0), present.astype(total.dtype)


def reweighted(
    weights: Float[Array, " G"],
    losses: Float[Array, " G"],
    present: Float[Array, " G"],
    rate: float,
    offsets: Float[Array | np.ndarray, " G"],
) -> Float[Array, " G"]:
    """Returns q_g · exp(η · (loss_g + C / √n_g)), made to add up to 1; no gradient passes.

    Groups that the batch lacks keep their weight relative to each other.
    """
    gain = jax.lax.stop_gradient(rate * present * (losses + offsets))
    # The largest exponent is 0: the sum is the same after the division, and nothing overflows.
    grown = weights * jnp.exp(gain - gain.max())
    return (grown / grown.sum()).astype(weights.dtype)
