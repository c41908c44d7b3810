"""The ferjax side of the benchmarks of training and inference: the same work as `torch_side`."""

import jax
import jax.numpy as jnp
import numpy as np

from ferjax import config as ferjax_config
from ferjax import models, optimizers, schedules, state, steps


class FerjaxTraining:
    """The step of `ferjax.steps`, compiled with a donated state as in training.

    Attributes:
        compiled: the program.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, precision: str, network: str = "resemotenet"
    ) -> None:
        config = ferjax_config.defaults()  # flips, and SGD with momentum and decay
        dtype = jnp.dtype(precision)
        model = models.create(network, dtype=dtype)
        schedule = schedules.create(config.schedule, steps_per_epoch=1000, total_steps=10_000)
        tx = optimizers.create(config.optimizer, schedule)
        self.state = jax.jit(lambda: state.create(model, tx, images.shape[1:], 0, ema=False))()
        self.batch = jax.device_put({"image": images, "label": labels})
        step = jax.jit(steps.make_train_step(model, tx, schedule, config, None, dtype), donate_argnums=0)
        self.compiled = step.lower(self.state, self.batch).compile()

    def __call__(self) -> float:
        """One step; returns when the new parameters are there."""
        self.state, sums = self.compiled(self.state, self.batch)
        jax.block_until_ready(self.state)
        return float(sums["loss"])


class FerjaxInference:
    """`ferjax.steps.make_predict_step`, compiled; labels are not read.

    Attributes:
        compiled: the program.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, precision: str, network: str = "resemotenet"
    ) -> None:
        del labels
        dtype = jnp.dtype(precision)
        model = models.create(network, dtype=dtype)
        self.variables = jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros((1, *images.shape[1:]))))()
        self.images = jax.device_put(images)
        predict = jax.jit(steps.make_predict_step(model, dtype))
        self.compiled = predict.lower(self.variables, self.images).compile()

    def __call__(self) -> np.ndarray:
        """Logits on the host."""
        return np.asarray(self.compiled(self.variables, self.images).astype(jnp.float32))
