"""All that an exported program says of faces: probabilities, valence and arousal, how far from training."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import jax.numpy as jnp
from jax import Array

from ferjax.augment.crops import VIEWS
from ferjax.inference import layer_statistics, trained
from ferjax.inference.trained import Trained


def outputs(network: Trained) -> list[str]:
    """Names what `program` returns, in order."""
    return [
        "probabilities",
        *(["affect"] if network.affect_head else []),
        *(["distance"] if network.unlike else []),
    ]


def program(network: Trained) -> Callable[[Any, Array], dict[str, Array]]:
    """Builds `program(variables, images) -> results`: uint8 `[B, S, S, 3]`, S = `network.input_size`.

    Args:
        network: the network; its weights are not used.

    Returns:
        A pure function to a dict of `probabilities`, float32 `[B, K]`, calibrated; `affect`, float32
        `[B, 2]`, if the network has that head; and `distance`, float32 `[B]`, if it is known how far pictures
        lie from those of training, see `ferjax.scores.unlike`.
    """
    step, views, unlike = trained.answer_step(network), VIEWS[network.config.eval.crops], network.unlike

    def answer(variables: Any, images: Array) -> dict[str, Array]:
        with ExitStack() as stack:
            seen = stack.enter_context(layer_statistics.outputs_of(unlike.layer)) if unlike else []
            logs, values = step(variables, images)
        results = {"probabilities": jnp.exp(logs)}
        if values is not None:
            results["affect"] = values
        if unlike:
            # The centre is the first view; a network may use a layer more than once for each.
            features = layer_statistics.of_maps(seen[len(seen) // views - 1])
            away = (features - jnp.asarray(unlike.mean)) @ jnp.asarray(unlike.whitener).T
            results["distance"] = jnp.sqrt(jnp.square(away).sum(-1))
        return results

    return answer
