"""The ferjax side of the benchmarks of training and inference: the same work as `torch_side`.

With JAX_NUM_CPU_DEVICES=2 a batch is spread over two halves of a CPU, as in training.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ferjax import config as ferjax_config
from ferjax import models
from ferjax.cluster.mesh import batch_sharding, make_mesh, replicated
from ferjax.platform.compile_options import compiled_to_run_once, compiled_to_train
from ferjax.training import optimizers, schedules, state, steps
from ferjax.training.predict_step import make_predict_step


def one_machine(images: np.ndarray, devices: int | None = None) -> Mesh:
    """A mesh of so many devices; all parts of the CPU or one accelerator if None, for PyTorch has one too."""
    everything = jax.devices()
    if devices is None:
        devices = len(everything) if everything[0].platform == "cpu" else 1
    parts = everything[:devices]
    return make_mesh(ferjax_config.defaults().mesh, parts[: len(images)])


class FerjaxTraining:
    """The step of `ferjax.training.steps`, compiled with a donated state as in training.

    Attributes:
        compiled: the program.
        flops: operations of a step before it is optimised, of all devices together.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        precision: str,
        network: str = "resemotenet",
        devices: int | None = None,
    ) -> None:
        config = ferjax_config.defaults()  # flips, and SGD with momentum and decay
        dtype = jnp.dtype(precision)
        model = models.create(network, dtype=dtype)
        schedule = schedules.create(config.schedule, steps_per_epoch=1000, total_steps=10_000)
        tx = optimizers.create(config.optimizer, schedule)
        mesh = one_machine(images, devices)
        create = jax.jit(
            lambda: state.create(model, tx, images.shape[1:], 0, ema=False),
            out_shardings=replicated(mesh),
            compiler_options=compiled_to_run_once(mesh),
        )
        self.state = create()
        self.batch = jax.device_put({"image": images, "label": labels}, batch_sharding(mesh))
        step = jax.jit(
            steps.make_train_step(model, tx, schedule, config, None, dtype),
            donate_argnums=0,
            compiler_options=compiled_to_train(mesh),
        )
        lowered = step.lower(self.state, self.batch)
        self.flops, self.compiled = _flops(lowered), lowered.compile()

    def __call__(self) -> float:
        """One step; returns when the new parameters are there."""
        self.state, sums = self.compiled(self.state, self.batch)
        jax.block_until_ready(self.state)
        return float(sums["loss"])


def _flops(lowered: jax.stages.Lowered) -> float:
    return float((lowered.cost_analysis() or {}).get("flops", 0))


class FerjaxInference:
    """`ferjax.training.predict_step.make_predict_step`, compiled; labels are not read.

    Attributes:
        compiled: the program.
        flops: operations of a call before it is optimised.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, precision: str, network: str = "resemotenet"
    ) -> None:
        del labels
        dtype = jnp.dtype(precision)
        model = models.create(network, dtype=dtype)
        mesh = one_machine(images)
        init = jax.jit(
            lambda: model.init(jax.random.key(0), jnp.zeros((1, *images.shape[1:]))),
            out_shardings=replicated(mesh),
        )
        self.variables = init()
        self.images = jax.device_put(images, batch_sharding(mesh))
        predict = jax.jit(make_predict_step(model, dtype))
        lowered = predict.lower(self.variables, self.images)
        self.flops, self.compiled = _flops(lowered), lowered.compile()

    def __call__(self) -> np.ndarray:
        """Logits on the host."""
        return np.asarray(self.compiled(self.variables, self.images).astype(jnp.float32))
