"""The ferjax side of the comparison with PyTorch; its arrays have PyTorch's names."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax import Array

from ferjax import config as ferjax_config
from ferjax import models
from ferjax.augment import normalise
from ferjax.interop.comparison import Batches, Groups, Recipe, numbered, split_state
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import export_state_dict
from ferjax.layers.auxiliary import loss_by_example
from ferjax.training import optimizers, schedules
from ferjax.training.losses import cross_entropy
from ferjax.training.state import TrainState
from ferjax.training.steps import make_train_step


def _skip_dropout(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
    return args[0] if isinstance(context.module, nn.Dropout) else call(*args, **kwargs)


# The two frameworks draw different random numbers: inside this context, dropout passes its input on.
without_dropout = partial(nn.intercept_methods, _skip_dropout)


class Side:
    """Runs a network with given weights in one precision; call its methods under the matching `enable_x64`.

    Args:
        name: the network's name.
        variables: `{"params", "batch_stats"}`.
        precision: `float64` or `float32`.
        options: the network's.
        image_size: pixels, where layers depend on them; None: as the variables' shapes show.
    """

    def __init__(
        self,
        name: str,
        variables: Mapping[str, Any],
        precision: str,
        options: Mapping[str, Any],
        image_size: int | None = None,
    ) -> None:
        table = network(name)
        head = next(row.flax for row in table.rows if row.torch == table.head)
        flat: Any = flatten_dict(dict(variables["params"]), sep="/")
        classes = flat[f"{head}/kernel"].shape[-1]
        self._name, self._options, self._image_size = name, options, image_size
        self._dtype = jnp.dtype(precision)
        self._model = models.create(name, classes, dtype=self._dtype, **options)
        self._variables = jax.tree.map(lambda x: np.asarray(x, precision), dict(variables))
        self._paths = {row.torch: row.flax for row in table.rows} | dict(table.blocks)

    def evaluation(self, batches: Batches) -> Groups:
        """Computes outputs and logits of the first batch in evaluation mode."""
        logits, updates = self._run(
            lambda variables, images, _: self._forward(variables, images, False), batches
        )
        return {"activations, evaluation": self._captured(updates), "logits, evaluation": {"logits": logits}}

    def training(self, batches: Batches, class_weights: np.ndarray) -> Groups:
        """Computes outputs, loss, running statistics and gradients of the first batch in training mode."""

        def loss_of(params: Any, stats: Any, images: Array, labels: Array) -> tuple[Array, Any]:
            logits, updates = self._forward({"params": params, "batch_stats": stats}, images, True)
            losses, weights = cross_entropy(logits, labels, jnp.asarray(class_weights))
            loss = losses.sum() / weights.sum()
            for auxiliary in jax.tree.leaves(updates.get("losses", {})):
                loss += loss_by_example(auxiliary, labels).mean()
            return loss, (logits, updates)

        def gradients_of(variables: Any, images: Array, labels: Array) -> Any:
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            return gradient(variables["params"], variables["batch_stats"], images, labels)

        (loss, (logits, updates)), gradients = self._run(gradients_of, batches)
        statistics, named = self._named(gradients, updates.get("batch_stats", {}))
        return {
            "activations, training": self._captured(updates),
            "logits, training": {"logits": logits},
            "loss": {"loss": loss},
            "running statistics": statistics,
            "gradients": named,
        }

    def steps(self, batches: Batches, recipe: Recipe) -> Groups:
        """Trains on the batches with the optimizer, schedule and step of a real run."""
        config = ferjax_config.defaults()
        config.augment.flip = False
        config.optimizer.update(
            name=recipe.optimizer, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        config.schedule.update(name="cosine", learning_rate=recipe.learning_rate)
        schedule = schedules.create(config.schedule, 1.0, len(batches.labels))
        tx = optimizers.create(config.optimizer, schedule)
        params, stats = jax.tree.map(jnp.asarray, (self._variables["params"], self._variables["batch_stats"]))
        state = TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=stats,
            opt_state=tx.init(params),
            ema=None,
            rng=jax.random.key(0),
            lr_scale=jnp.ones((), jnp.float32),
        )
        step = jax.jit(
            make_train_step(self._model, tx, schedule, config, None, self._dtype), donate_argnums=0
        )
        losses, rates = [], []
        for images, labels in zip(*batches, strict=True):
            with without_dropout():
                state, sums = step(state, {"image": images, "label": labels})
            auxiliary = float(sums.get("auxiliary_loss", 0)) / len(labels)
            losses.append(float(sums["loss"] / sums["weight"]) + auxiliary)
            rates.append(float(sums["learning_rate"]))
        statistics, weights = self._named(*jax.device_get((state.params, state.batch_stats)))
        return {
            "learning rates": {"learning rate": np.array(rates)},
            "losses": numbered("step", losses),
            "weights": weights,
            "running statistics": statistics,
        }

    def _forward(self, variables: Any, images: Array, train: bool) -> tuple[Array, Any]:
        wanted = set(self._paths.values())
        return self._model.apply(
            variables,
            normalise(images, self._dtype),
            train,
            capture_intermediates=lambda module, _: "/".join(module.path) in wanted,
            mutable=["batch_stats", "intermediates", "losses"],
        )

    def _run(self, function: Callable[[Any, Array, Array], Any], batches: Batches) -> Any:
        # It runs once, so it is compiled with the least effort.
        compiled = jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
        with without_dropout():
            return jax.device_get(compiled(self._variables, batches.images[0], batches.labels[0]))

    def _named(self, params: Any, batch_stats: Any) -> tuple[dict, dict]:
        variables = {"params": params, "batch_stats": batch_stats}
        state = export_state_dict(
            self._name, variables, image_size=self._image_size, published=False, **self._options
        )
        return split_state(self._name, state)

    def _captured(self, updates: Mapping[str, Any]) -> dict[str, np.ndarray]:
        captured = flatten_dict(updates.get("intermediates", {}), sep="/")
        outputs = {}
        for name, path in self._paths.items():
            calls = jax.tree.leaves(captured.get(f"{path}/__call__".removeprefix("/"), ()))
            outputs |= numbered(name, calls)
        return outputs
