"""One training run in ferjax and in PyTorch: the same initial weights, batches, rates and optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from ml_collections import ConfigDict
from torch.nn import functional

from ferjax import models
from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD
from ferjax.data.pipeline import eval_batches, train_batches
from ferjax.data.sources import Source
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import import_state_dict
from ferjax.training import optimizers, schedules, state, steps
from ferjax.training.predict_step import make_predict_step


class Curve(NamedTuple):
    """What a run leaves.

    Attributes:
        losses: mean training loss of each step.
        accuracies: (step, accuracy on the held-out images).
    """

    losses: list[float]
    accuracies: list[tuple[int, float]]


class Run(NamedTuple):
    """What both frameworks are given.

    Attributes:
        config: the recipe: `model`, `optimizer`, `schedule`, `train` and `eval` are read.
        train: what is trained on.
        held_out: what the accuracies are of.
        steps: length of the run.
        evaluate_every: steps between two accuracies.
    """

    config: ConfigDict
    train: Source
    held_out: Source
    steps: int
    evaluate_every: int

    @property
    def options(self) -> dict[str, Any]:
        """The network's options."""
        return {key: value for key, value in self.config.model.items() if key != "name"}

    @property
    def schedule(self) -> Any:
        """The learning rate by step, for both."""
        per_epoch = len(self.train) / self.config.train.batch_size
        return schedules.create(self.config.schedule, per_epoch, self.steps)

    def batches(self) -> Any:
        """The same images in the same order for both; the order depends on the seed."""
        config = self.config.train
        return train_batches(self.train, batch_size=config.batch_size, seed=config.seed)

    def evaluates(self, step: int) -> bool:
        """Whether an accuracy follows this step."""
        return step % self.evaluate_every == 0 or step == self.steps


def initial(run: Run) -> torch.nn.Module:
    """The network in PyTorch with the initial weights of a seed."""
    torch.manual_seed(run.config.train.seed)
    return counterpart(run.config.model.name, len(run.train.label_names), **run.options)


def train_in_ferjax(run: Run, nudge: float = 0.0) -> Curve:
    """Trains with ferjax's own step on PyTorch's initial weights, each times 1 + `nudge`."""
    config, name = run.config, run.config.model.name
    variables = import_state_dict(name, initial(run).state_dict(), **run.options)
    model = models.create(name, len(run.train.label_names), dtype=jnp.float32, **run.options)
    schedule = run.schedule
    tx = optimizers.create(config.optimizer, schedule)
    shape = (config.data.image_size, config.data.image_size, 3)
    now = state.create(model, tx, shape, config.train.seed, ema=False)
    params, stats = jax.tree.map(jnp.asarray, (variables["params"], variables["batch_stats"]))
    params = jax.tree.map(lambda leaf: leaf * (1 + nudge), params)
    now = now.replace(params=params, batch_stats=stats)
    train_step = jax.jit(
        steps.make_train_step(model, tx, schedule, config, None, jnp.dtype("float32")), donate_argnums=0
    )
    predict_step = jax.jit(make_predict_step(model, jnp.dtype("float32")))
    losses, accuracies, batches = [], [], run.batches()
    for step in range(1, run.steps + 1):
        now, sums = train_step(now, next(batches))
        losses.append(float(sums["loss"] / sums["weight"]))
        if run.evaluates(step):
            variables = now.variables
            accuracies.append((step, _accuracy(run, lambda images, v=variables: predict_step(v, images))))
    batches.close()
    return Curve(losses, accuracies)


def train_in_torch(run: Run) -> Curve:
    """Trains with PyTorch's loss, gradients and optimizer."""
    config, net, schedule = run.config, initial(run), run.schedule
    optimizer = torch.optim.SGD(
        net.parameters(),
        config.schedule.learning_rate,
        config.optimizer.momentum,
        weight_decay=config.optimizer.weight_decay,
        nesterov=config.optimizer.nesterov,
    )
    mean, std = torch.tensor([IMAGENET_MEAN, IMAGENET_STD])

    def normalised(images: np.ndarray) -> torch.Tensor:
        return ((torch.from_numpy(np.ascontiguousarray(images)).float() / 255 - mean) / std).permute(
            0, 3, 1, 2
        )

    @torch.no_grad()
    def predict(images: np.ndarray) -> np.ndarray:
        return net(normalised(images)).numpy()

    torch.manual_seed(config.train.seed)  # of dropout
    losses, accuracies, batches = [], [], run.batches()
    for step in range(1, run.steps + 1):
        batch = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = float(schedule(step - 1))
        loss = functional.cross_entropy(
            net.train()(normalised(batch["image"])), torch.from_numpy(batch["label"]).long()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if run.evaluates(step):
            net.eval()
            accuracies.append((step, _accuracy(run, predict)))
    batches.close()
    return Curve(losses, accuracies)


def _accuracy(run: Run, predict: Any) -> float:
    """Of whole batches and the rest; rows that fill the last batch up do not count."""
    correct = 0
    for batch in eval_batches(run.held_out, batch_size=run.config.eval.batch_size):
        hits = np.asarray(predict(batch["image"])).argmax(-1) == batch["label"]
        correct += int(hits[batch["mask"] > 0].sum())
    return correct / len(run.held_out)
