"""Compares an exported program with the network that it was made from, before it is kept."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ferjax.inference import trained
from ferjax.inference.trained import Trained

# The largest difference allowed; float32 sums in another order change a probability by about a tenth of it.
TOLERANCE = 1e-5
_BATCHES = (1, 3, 8)
_SEED = 0


def largest_difference(
    network: Trained, run: Callable[[np.ndarray], ArrayLike | tuple[ArrayLike, ArrayLike]]
) -> float:
    """Compares probabilities, and valence and arousal if there are any, on noise, in several batch sizes.

    Args:
        network: the original.
        run: the exported program, from uint8 `[B, S, S, 3]`, S = `network.input_size`, to float32 `[B, K]`,
            or to a pair of these and of float32 `[B, 2]`.

    Returns:
        The largest absolute difference of any probability or value; values beyond −1 … 1 count relatively.

    Raises:
        ArithmeticError: the difference is above `TOLERANCE`, or not a number.
    """
    generator = np.random.default_rng(_SEED)
    step = jax.jit(trained.answer_step(network))
    variables = jax.device_put(network.variables)
    largest = 0.0
    for batch in _BATCHES:
        images = noise(generator, batch, network.input_size)
        logs, values = step(variables, images)
        expected = (jnp.exp(logs),) if values is None else (jnp.exp(logs), values)
        found = run(images)
        found = found if isinstance(found, tuple) else (found,)
        gap = max(_gap(*map(np.asarray, pair)) for pair in zip(found, expected, strict=True))
        if not gap <= TOLERANCE:
            raise ArithmeticError(
                f"the exported network differs by {gap:.1e} from the network in a batch of {batch}; "
                f"at most {TOLERANCE:.0e} is allowed"
            )
        largest = max(largest, gap)
    return largest


def _gap(found: np.ndarray, expected: np.ndarray) -> float:
    return float((np.abs(found - expected) / np.maximum(np.abs(expected), 1)).max())


def noise(generator: np.random.Generator, batch: int, size: int) -> np.ndarray:
    """Draws coloured blocks of random contrast, so that predictions differ: uint8 `[B, S, S, 3]`."""
    side = -(-size // 8)
    blocks = generator.normal(size=(batch, side, side, 3)).repeat(8, 1).repeat(8, 2)[:, :size, :size]
    pixels = generator.normal(size=blocks.shape)
    contrast = generator.uniform(5, 60, (batch, 1, 1, 1))
    return (128 + contrast * (blocks + 0.3 * pixels)).clip(0, 255).astype(np.uint8)
