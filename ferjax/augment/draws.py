"""Random numbers of each example, by the step's key, the row in the global batch and their name."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

# Names of numbers, after what uses them. A new one goes to the end, so that the others keep theirs.
_NAMES = (
    "flip", "rotate", "translate.x", "translate.y", "scale", "shear", "random_crop", "random_crop.x",
    "random_crop.y", "brightness", "contrast", "saturation", "hue", "grey", "erase", "erase.area",
    "erase.aspect", "erase.x", "erase.y", "mixup", "cutmix", "cutmix.x", "cutmix.y", "cutmix, not mixup",
    "crop.x", "crop.y",
)  # fmt: skip


class Draws:
    """Draws the random numbers of a batch; those of one name do not depend on the other names that are used.

    Args:
        key: typed, of the step.
        rows: examples in the global batch, B.
    """

    def __init__(self, key: Key[Array, ""], rows: int) -> None:
        self._keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(rows))
        # All at once, as a call for each name would take a second to compile.
        self._units = jax.vmap(lambda key: jax.random.uniform(key, (len(_NAMES),)))(self._keys)

    def between(self, name: str, low: float = 0.0, high: float = 1.0) -> Float[Array, " B"]:
        """Draws float32 in [low, high)."""
        return low + (high - low) * self._units[:, _NAMES.index(name)]

    def chance(self, name: str, probability: float) -> Bool[Array, " B"]:
        """Draws True with this probability."""
        return self.between(name) < probability

    def grid(self, shape: tuple[int, ...], stream: int = 1) -> Float[Array, "B ..."]:
        """Draws float32 `[B, *shape]` in [−1, 1); each use has a stream of its own."""
        return jax.vmap(lambda key: jax.random.uniform(key, shape, minval=-1.0))(self.keys(stream))

    def keys(self, stream: int | np.uint32) -> Key[Array, " B"]:
        """Makes a typed key for each example; each use has a stream of its own."""
        return jax.vmap(jax.random.fold_in, (0, None))(self._keys, stream)
