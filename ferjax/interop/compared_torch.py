"""The PyTorch side of the comparison: the counterpart's outputs, gradients and training steps."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD
from ferjax.interop.comparison import Batches, Groups, Recipe, numbered, split_state
from ferjax.interop.torch_models.drop_path import DropPath
from ferjax.interop.torch_networks import counterpart, network

_DTYPES = {"float64": torch.float64, "float32": torch.float32}
_VECTOR_NOISE, _MATRIX_NOISE = 0.2, 0.01


def fresh_state(
    name: str, num_classes: int, seed: int, options: Mapping[str, Any], image_size: int | None = None
) -> dict[str, np.ndarray]:
    """Draws initial weights as PyTorch does, and adds noise to arrays whose elements are all equal.

    Otherwise two arrays of ones could change places unseen, and a layer that starts at zero hides its input.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = counterpart(name, num_classes, image_size, **options).state_dict()
    for values in state.values():
        if values.is_floating_point() and bool((values == values.flatten()[0]).all()):
            noise = _VECTOR_NOISE if values.ndim < 2 else _MATRIX_NOISE
            values += noise * (2 * torch.rand(values.shape, generator=generator) - 1)
    return {key: value.numpy() for key, value in state.items()}


class Side:
    """Runs a counterpart with given weights in one precision and without dropout.

    Args:
        name: the network's name.
        state_dict: PyTorch names to arrays, all of them.
        precision: `float64` or `float32`.
        options: the network's.
        image_size: see `ferjax.interop.torch_networks.counterpart`.
    """

    def __init__(
        self,
        name: str,
        state_dict: Mapping[str, np.ndarray],
        precision: str,
        options: Mapping[str, Any],
        image_size: int | None = None,
    ) -> None:
        table = network(name)
        self._name, self._dtype = name, _DTYPES[precision]
        classes = len(state_dict[f"{table.head}.weight"])
        self._net = counterpart(name, classes, image_size, **options).to(self._dtype)
        self._net.load_state_dict({key: torch.as_tensor(value) for key, value in state_dict.items()})
        self._start = {key: value.clone() for key, value in self._net.state_dict().items()}
        for module in self._net.modules():
            if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                module.p = 0.0
            if isinstance(module, DropPath):
                module.drop_prob = 0.0
        modules = dict(self._net.named_modules())
        named = [row.torch for row in table.rows] + [block for block, _ in table.blocks]
        self._modules = {key: modules[key] for key in named if key in modules and key}

    def evaluation(self, batches: Batches) -> Groups:
        """Computes outputs and logits of the first batch in evaluation mode."""
        self._restart().eval()
        with torch.no_grad():
            logits, outputs = self._forward(self._images(batches.images[0]))
        return {"activations, evaluation": outputs, "logits, evaluation": {"logits": _array(logits)}}

    def training(self, batches: Batches, class_weights: np.ndarray) -> Groups:
        """Computes outputs, loss, running statistics and gradients of the first batch in training mode."""
        self._restart().train()
        logits, outputs = self._forward(self._images(batches.images[0]))
        weights = torch.as_tensor(class_weights, dtype=self._dtype)
        loss = self._loss(logits, batches.labels[0], weights)
        self._backward(loss)
        gradients = {name: _array(p.grad) for name, p in self._net.named_parameters() if p.grad is not None}
        statistics, _ = split_state(self._name, _arrays(self._net.state_dict()))
        return {
            "activations, training": outputs,
            "logits, training": {"logits": _array(logits)},
            "loss": {"loss": _array(loss)},
            "running statistics": statistics,
            # From the loss backwards, the order in which they are computed.
            "gradients": dict(reversed(gradients.items())),
        }

    def steps(self, batches: Batches, recipe: Recipe) -> Groups:
        """Trains on the batches from the initial weights."""
        self._restart().train()
        parameters = self._net.parameters()
        if recipe.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                parameters, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
            )
        else:
            optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(batches.labels))
        losses, rates = [], []
        for images, labels in zip(*batches, strict=True):
            optimizer.zero_grad()
            loss = self._loss(self._net(self._images(images)), labels)
            self._backward(loss)
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        statistics, weights = split_state(self._name, _arrays(self._net.state_dict()))
        return {
            "learning rates": {"learning rate": np.array(rates)},
            "losses": numbered("step", losses),
            "weights": weights,
            "running statistics": statistics,
        }

    def _restart(self) -> torch.nn.Module:
        self._net.load_state_dict(self._start)
        self._net.zero_grad()
        return self._net

    def _images(self, images: np.ndarray) -> torch.Tensor:
        """Normalises uint8 `[B, H, W, 3]` to `[B, 3, H, W]`."""
        mean, std = torch.tensor([IMAGENET_MEAN, IMAGENET_STD], dtype=self._dtype)
        return ((torch.from_numpy(images).to(self._dtype) / 255 - mean) / std).permute(0, 3, 1, 2)

    def _backward(self, loss: torch.Tensor) -> None:
        """Computes gradients; they are zero, as in JAX, where the loss does not depend on a parameter."""
        loss.backward()
        for parameter in self._net.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _loss(
        self, logits: torch.Tensor, labels: np.ndarray, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        actual = torch.from_numpy(labels).long()
        loss = functional.cross_entropy(logits, actual, weights)
        auxiliary = getattr(self._net, "auxiliary_loss", None)
        if auxiliary is not None and auxiliary.ndim == 2:
            auxiliary = auxiliary.gather(1, actual[:, None])
        return loss if auxiliary is None else loss + auxiliary.mean()

    def _forward(self, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
        """Computes logits, and the modules' outputs in the order of computation, images as `[B, H, W, C]`."""
        outputs: dict[str, list[np.ndarray]] = {}

        def keep(name: str, module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple | list) else (output,)
            # These two work on the last axis, wherever they stand.
            last = type(module) in (torch.nn.Linear, torch.nn.LayerNorm)
            # Copied at once, as the next layer may work in place.
            arrays = [_array(part) if last else _channels_last(_array(part)) for part in parts]
            outputs.setdefault(name, []).extend(arrays)

        hooks = [module.register_forward_hook(partial(keep, name)) for name, module in self._modules.items()]
        logits = self._net(images)
        for hook in hooks:
            hook.remove()
        named: dict[str, np.ndarray] = {}
        for name, arrays in outputs.items():
            named |= numbered(name, arrays)
        return logits, named


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def _arrays(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {key: _array(value) for key, value in state.items()}


def _channels_last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 1, -1) if array.ndim == 4 else array
