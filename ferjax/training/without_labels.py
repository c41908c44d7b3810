"""Pre-training by its method: what a step differentiates, validation, pictures, and arrays of its own."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from flax.typing import Dtype
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.data.sources import Source
from ferjax.models.mae import DECODER, MaskedAutoencoder
from ferjax.models.simclr import PROJECTION, Contrastive
from ferjax.runs.pretraining_pictures import Pictures
from ferjax.training import contrastive, reconstruction
from ferjax.training.stages import Rules

WithoutClasses = MaskedAutoencoder | Contrastive
# Arrays, by the begin of their paths, that a network of a method has and one of another task may lack; the
# empty name stands for a network with classes.
_OWN = {"": ("fc_norm/",), "mae": (*DECODER, "norm/"), "simclr": (PROJECTION, "fc_norm/")}


def make_objective(
    model: WithoutClasses, config: ConfigDict, dtype: Dtype, rules: Rules
) -> Callable[..., Any]:
    """Builds what a step differentiates, see the method's own."""
    if isinstance(model, Contrastive):
        return contrastive.make_objective(model, config, dtype, rules)
    return reconstruction.make_objective(model, config, dtype, rules)


def make_eval_step(model: WithoutClasses, config: ConfigDict, dtype: Dtype) -> Callable[..., Any]:
    """Builds the evaluation step that `evaluate_loss` takes."""
    if isinstance(model, Contrastive):
        return contrastive.make_eval_step(model, config, dtype)
    return reconstruction.make_eval_step(model, config, dtype)


def evaluate_loss(
    config: ConfigDict, eval_step: Callable[..., Any], variables: Any, source: Source, mesh: Mesh
) -> float:
    """Returns the mean loss of a split, the same in every process.

    Args:
        config: the groups `eval` and `pretrain` are read.
        eval_step: jitted.
        variables: of the network.
        source: the split.
        mesh: the devices.
    """
    arguments = (eval_step, variables, source, config.eval.batch_size, mesh)
    if config.pretrain.method == "simclr":
        return contrastive.evaluate_loss(*arguments, temperature=config.pretrain.temperature)
    return reconstruction.evaluate_loss(*arguments)


def draw_pictures(
    model: WithoutClasses, config: ConfigDict, variables: Any, source: Source, count: int
) -> Pictures:
    """Shows on at most `count` images of a split what the network has learnt."""
    if isinstance(model, Contrastive):
        return contrastive.compare_views(model, config, variables, source, count)
    return reconstruction.reconstruct(model, config, variables, source, count)


def method_of(model: nn.Module) -> str:
    """Returns the method that trains a network: `mae`, `simclr`, or nothing for one with classes."""
    return {MaskedAutoencoder: "mae", Contrastive: "simclr"}.get(type(model), "")


def why_without_place(path: str, source: str, model: nn.Module) -> str:
    """Returns why an array of a source of weights has no place in a network of another task, or nothing.

    Args:
        path: after its collection.
        source: the method that made the source; empty for one with classes.
        model: the network to be trained.
    """
    if (now := method_of(model)) == source:
        return ""
    if source == "mae" and path.startswith(DECODER):
        return "the decoder of pre-training"
    if source == "mae" and path.startswith("norm/"):
        return "what the decoder read was normalised by it"
    if source == "simclr" and path.startswith(PROJECTION):
        return "the projection of pre-training"
    unused = ("head/", "fc_norm/") if now == "mae" else ()
    if isinstance(model, Contrastive):
        unused = (f"{model.classifier}/",)
    return "pre-training has no classifier" if path.startswith(unused) else ""


def is_own(path: str, source: str, model: nn.Module) -> bool:
    """Checks whether an array belongs to a task that the source was not trained for, so that it is new.

    Arguments are those of `why_without_place`.
    """
    now = method_of(model)
    return now != source and path.startswith(_OWN[now])
