"""Compares an exported program with the network that it was made from, before it is kept."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ferjax.inference import trained
from ferjax.inference.trained import Trained

# The largest difference allowed; float32 sums in another order change a probability by about a tenth of it.
TOLERANCE = 1e-5
# In some, of fifty layers for example, float32 itself is farther from the exact answer. Then an exported
# program, which rounds otherwise, may be so many times as far from it, but never farther than `_MOST`.
_TIMES_ROUNDING = 4
_MOST = 1e-4
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
        ArithmeticError: the difference is not a number, or it is above `TOLERANCE` and more than what
            rounding to float32 does in this network, which float64 shows.
    """
    generator = np.random.default_rng(_SEED)
    step = jax.jit(trained.answer_step(network))
    variables = jax.device_put(network.variables)
    largest = 0.0
    for batch in _BATCHES:
        images = noise(generator, batch, network.input_size)
        logs, values = step(variables, images)
        expected = _arrays(logs, values)
        answers = run(images)
        found = [np.asarray(each) for each in (answers if isinstance(answers, tuple) else (answers,))]
        gap = _gap(found, expected)
        if not gap <= TOLERANCE and not _is_rounding(network, images, found, expected):
            raise ArithmeticError(
                f"the exported network differs by {gap:.1e} from the network in a batch of {batch}; "
                f"at most {TOLERANCE:.0e} is allowed"
            )
        largest = max(largest, gap)
    return largest


def _arrays(logs: jax.Array, values: jax.Array | None) -> list[np.ndarray]:
    return [np.exp(np.asarray(logs)), *([] if values is None else [np.asarray(values)])]


def _gap(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    return max(
        float((np.abs(one - other) / np.maximum(np.abs(other), 1)).max())
        for one, other in zip(found, expected, strict=True)
    )


def _is_rounding(
    network: Trained, images: np.ndarray, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> bool:
    """Tells whether answers are about as near to those of float64 as the network's own in float32."""
    with jax.enable_x64(True):
        exact_step = jax.jit(trained.answer_step(trained.in_precision(network, "float64")))
        exact = _arrays(*exact_step(jax.tree.map(_widened, network.variables), images))
    return _gap(found, exact) <= min(_TIMES_ROUNDING * _gap(expected, exact), _MOST)


def _widened(array: ArrayLike) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def noise(generator: np.random.Generator, batch: int, size: int) -> np.ndarray:
    """Draws coloured blocks of random contrast, so that predictions differ: uint8 `[B, S, S, 3]`."""
    side = -(-size // 8)
    blocks = generator.normal(size=(batch, side, side, 3)).repeat(8, 1).repeat(8, 2)[:, :size, :size]
    pixels = generator.normal(size=blocks.shape)
    contrast = generator.uniform(5, 60, (batch, 1, 1, 1))
    return (128 + contrast * (blocks + 0.3 * pixels)).clip(0, 255).astype(np.uint8)
