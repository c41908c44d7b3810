"""Whether an exported network says what the network says: tried before anything is handed out."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.inference import trained
from ferjax.inference.trained import Trained

# The largest difference of a probability; float32 sums in another order differ by about a tenth of it.
TOLERANCE = 1e-5
_BATCHES = (1, 3, 8)
_SEED = 0


def largest_difference(network: Trained, run: Callable[[np.ndarray], np.ndarray]) -> float:
    """Compares probabilities on noise, in batches of several sizes.

    Args:
        network: what was exported.
        run: the exported one, from uint8 `[B, S, S, 3]`, S = `network.input_size`, to float32 `[B, K]`.

    Returns:
        The largest absolute difference of any probability.

    Raises:
        ArithmeticError: it is above `TOLERANCE`, or not a number.
    """
    generator = np.random.default_rng(_SEED)
    step = jax.jit(trained.predict_step(network))
    variables = jax.device_put(network.variables)
    largest = 0.0
    for batch in _BATCHES:
        images = _faint_and_strong_noise(generator, batch, network.input_size)
        wanted = np.asarray(jnp.exp(step(variables, images)))
        gap = float(np.abs(np.asarray(run(images)) - wanted).max())
        if not gap <= TOLERANCE:
            raise ArithmeticError(
                f"the exported network differs by {gap:.1e} from the network in a batch of {batch}; "
                f"at most {TOLERANCE:.0e} is allowed"
            )
        largest = max(largest, gap)
    return largest


def _faint_and_strong_noise(generator: np.random.Generator, batch: int, size: int) -> np.ndarray:
    """uint8 `[B, S, S, 3]`: coloured blocks of random contrast, so that not every answer is alike."""
    side = -(-size // 8)
    blocks = generator.normal(size=(batch, side, side, 3)).repeat(8, 1).repeat(8, 2)[:, :size, :size]
    pixels = generator.normal(size=blocks.shape)
    contrast = generator.uniform(5, 60, (batch, 1, 1, 1))
    return (128 + contrast * (blocks + 0.3 * pixels)).clip(0, 255).astype(np.uint8)
