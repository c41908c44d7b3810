"""The comparison of a network in both frameworks, with the same weights and the same batches."""

from collections.abc import Mapping
from typing import Any

import jax

from ferjax.errors import UserError
from ferjax.interop import comparison
from ferjax.interop.comparison import Group
from ferjax.interop.torch_files import read_state_dict
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import export_state_dict, import_state_dict


def compare(
    name: str,
    *,
    weights: str = "",
    precisions: tuple[str, ...] = comparison.PRECISIONS,
    training: bool = True,
    steps: int = 5,
    batch: int = 8,
    image_size: int,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> list[Group]:
    """Runs a network in both frameworks and compares everything that they compute.

    Args:
        name: one with a counterpart, see `ferjax.interop.torch_networks`.
        weights: a file of them; empty: as PyTorch draws them.
        precisions: some of `comparison.PRECISIONS`.
        training: whether one batch is also run in training mode, with its gradients.
        steps: of each optimizer; 0: none.
        batch: images in each batch, at least 2.
        image_size: pixels, both sides.
        seed: of random weights and batches.
        options: the network's.

    Returns:
        The groups of arrays that were compared, precision by precision.

    Raises:
        UserError: no such network, weights that are not its, or PyTorch is not installed.
    """
    options = options or {}
    sides = _sides()
    if weights:
        variables = import_state_dict(name, read_state_dict(weights), image_size=image_size, **options)
        state = export_state_dict(name, variables, image_size=image_size, published=False, **options)
    else:
        state = sides[1].fresh_state(name, 7, seed, options, image_size)
        variables = import_state_dict(name, state, image_size=image_size, **options)
    classes = len(state[f"{network(name).head}.weight"])
    batches = comparison.random_batches(max(steps, 1), batch, image_size, classes, seed)
    groups: list[Group] = []
    for precision in precisions:
        with jax.enable_x64(precision == "float64"):
            both = (
                sides[0].Side(name, variables, precision, options, image_size),
                sides[1].Side(name, state, precision, options, image_size),
            )
            groups += comparison.compare(precision, *(side.evaluation(batches) for side in both))
            if training:
                weighted = comparison.class_weights(classes)
                groups += comparison.compare(precision, *(side.training(batches, weighted) for side in both))
            for recipe in comparison.RECIPES if steps else ():
                ours, theirs = (side.steps(batches, recipe) for side in both)
                groups += comparison.compare(precision, ours, theirs, f"{recipe.optimizer}, {steps} steps: ")
    return groups


def _sides() -> tuple[Any, Any]:
    """Imports the modules of the two sides; PyTorch is imported only here."""
    try:
        from ferjax.interop import compared_jax, compared_torch
    except ImportError as error:
        raise UserError(f"torch-compare needs {error.name or 'torch'}: pip install 'ferjax[torch]'") from None
    return compared_jax, compared_torch
