"""Stages of training: which parameters stay, how fast the others move, and which losses count.

A run is a row of stages in one loop with one step count. Parameters are named by their paths, such as
`layer1_block0/conv1/kernel`; patterns are regular expressions, searched for anywhere in a path.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from ml_collections import ConfigDict

from ferjax.errors import UserError, listed
from ferjax.layers.auxiliary import loss_by_example
from ferjax.layers.norm import BatchNorm
from ferjax.training.layer_decay import layer_rates
from ferjax.training.paths import by_path, from_paths

_SHOWN = 6  # paths that an error spells out


@dataclasses.dataclass(frozen=True)
class Rules:
    """How the steps of a stage treat parameters and losses.

    Attributes:
        frozen: paths of the parameters that stay: no gradient, no decay, no momentum, no update.
        running_statistics: whether batch normalisation whose parameters are frozen normalises with its
            running statistics, which then stay too.
        rates: path → factor on the learning rate, 1 for those that are not named.
        cross_entropy: weight of the cross entropy.
        auxiliary: weight of the losses that the network sows into the collection `losses`.
        auxiliary_losses: pattern on their names; the others do not count. Empty: all do.
    """

    frozen: frozenset[str] = frozenset()
    running_statistics: bool = True
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cross_entropy: float = 1.0
    auxiliary: float = 1.0
    auxiliary_losses: str = ""


def rules(config: ConfigDict, stage: ConfigDict, model: nn.Module, image_shape: tuple[int, ...]) -> Rules:
    """Turns a stage's patterns into paths of the network's parameters.

    Raises:
        UserError: the pattern `freeze` matches none or all of them, or `optimizer.layer_decay` does not work
            with the network.
    """
    frozen = _frozen(stage.freeze, model, image_shape) if stage.freeze else frozenset()
    rates = {}
    if stage.depth_decay != 1:
        groups = depth_groups(model, image_shape)
        for depth, group in enumerate(reversed(groups)):
            rates |= dict.fromkeys(group, stage.depth_decay**depth)
    if (decay := config.optimizer.layer_decay) != 1:
        for path, factor in layer_rates(model, parameter_shapes(model, image_shape), decay).items():
            rates[path] = rates.get(path, 1.0) * factor
    return Rules(
        frozen=frozen,
        running_statistics=config.init.freeze_statistics,
        rates=rates,
        cross_entropy=stage.cross_entropy,
        auxiliary=stage.auxiliary,
        auxiliary_losses=stage.auxiliary_losses,
    )


def _frozen(pattern: str, model: nn.Module, image_shape: tuple[int, ...]) -> frozenset[str]:
    shapes = parameter_shapes(model, image_shape)
    frozen = frozenset(path for path in shapes if re.search(pattern, path))
    if not frozen:
        raise UserError(f"the pattern freeze={pattern!r} matches no parameter, of {listed(shapes, _SHOWN)}")
    if len(frozen) == len(shapes):
        raise UserError(f"the pattern freeze={pattern!r} leaves no parameter to train")
    return frozen


def parameter_shapes(model: nn.Module, image_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Returns path → shape of every parameter for images `(H, W, C)`; nothing is computed."""
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    init = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    return {path: leaf.shape for path, leaf in by_path(init["params"]).items()}


def depth_groups(model: nn.Module, image_shape: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    """Groups the network's parameters from the image to the logits; returns the paths of each group.

    A group is a top-level module, in the order in which a forward pass first calls them. One that holds
    nothing but vectors, as normalisation does, belongs to the group before it. Parameters that the network
    itself holds belong to the last group.
    """
    order: dict[str, None] = {}

    def note(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
        if context.module.path:
            order.setdefault(context.module.path[0])
        return call(*arguments, **keywords)

    with nn.intercept_methods(note):
        shapes = parameter_shapes(model, image_shape)
    groups: list[list[str]] = []
    for module in order:
        members = [path for path in shapes if path.startswith(f"{module}/")]
        vectors = all(len(shapes[path]) < 2 for path in members)
        if members and vectors and groups:
            groups[-1] += members
        elif members:
            groups.append(members)
    placed = {path for group in groups for path in group}
    own = [path for path in shapes if path not in placed]
    if not groups:
        return (tuple(own),)
    groups[-1] += own
    return tuple(map(tuple, groups))


def split(params: Any, frozen: frozenset[str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Splits parameters by path into those to train and those that stay."""
    flat = by_path(params)
    return (
        {path: leaf for path, leaf in flat.items() if path not in frozen},
        {path: leaf for path, leaf in flat.items() if path in frozen},
    )


def join(trained: Mapping[str, Array], frozen: Mapping[str, Array]) -> dict[str, Any]:
    """Rebuilds the tree that `split` took apart."""
    return from_paths({**trained, **frozen})


def statistics_kept(rules: Rules) -> Callable[..., Any]:
    """Returns an interceptor of `flax.linen` calls: frozen normalisation runs as in evaluation."""

    def call_as(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        if rules.running_statistics and isinstance(context.module, BatchNorm):
            path = "/".join(context.module.path)
            if {f"{path}/scale", f"{path}/bias"} <= rules.frozen:
                return call(arguments[0], train=False)
        return call(*arguments, **keywords)

    return call_as


def auxiliary_loss(sown: Mapping[str, Any], rules: Rules, labels: Array) -> Array | None:
    """Adds up what the network sowed into `losses`: float32 `[B]`, or None if it sowed nothing.

    Args:
        sown: the collection; see `ferjax.layers.auxiliary.sow_loss` for its leaves.
        rules: the pattern `auxiliary_losses`.
        labels: int32 `[B]`, or distributions `[B, K]`.

    Raises:
        UserError: the pattern matches none of the names.
    """
    named = {path: jax.tree.leaves(leaf) for path, leaf in by_path(sown).items()}
    chosen = [path for path in named if re.search(rules.auxiliary_losses, path)]
    if rules.auxiliary_losses and not chosen:
        raise UserError(
            f"the pattern auxiliary_losses={rules.auxiliary_losses!r} matches none of the network's losses: "
            + (", ".join(named) or "it defines none")
        )
    if not chosen:
        return None
    total = jnp.zeros(len(labels), jnp.float32)
    for leaf in (leaf for path in chosen for leaf in named[path]):
        total = total + loss_by_example(leaf, labels)
    return total
