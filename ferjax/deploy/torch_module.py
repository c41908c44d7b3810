"""Builds the PyTorch module that ONNX files are written from: network, normalisation, crops, calibration."""

import jax.numpy as jnp
import torch
from torch import nn

from ferjax.augment.crops import CORNERED, MIRRORED, views
from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.config import model_options
from ferjax.inference.trained import HALF, LUMA, SHIFT, Trained
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import export_state_dict
from ferjax.training.affect import OUTPUTS


def in_float32(network: Trained) -> Trained:
    """Returns the network with the same weights, computing in float32."""
    config = network.config.copy_and_resolve_references()
    config.train.precision = "float32"
    return network._replace(config=config, model=network.model.clone(dtype=jnp.float32))


class Deployed(nn.Module):
    """Maps uint8 `[B, S, S, 3]`, S = `network.input_size`, to calibrated probabilities, float32 `[B, K]`.

    A head for valence and arousal makes it a pair, the second float32 `[B, 2]`. Computes the same as
    `ferjax.inference.trained.answer_step`: luma for networks of grey images, centre or
    other crops, temperature.
    """

    def __init__(self, network: Trained) -> None:
        super().__init__()
        name, options = network.config.model.name, model_options(network.config)
        size = network.image_size
        self.classes, self.has_affect = len(network.label_names), network.affect_head is not None
        # The exported head is the last outputs of the classifier.
        outputs = self.classes + OUTPUTS * self.has_affect
        self.network = counterpart(name, outputs, image_size=size, **options)
        state = export_state_dict(name, network.variables, image_size=size, published=False, **options)
        self.network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
        self.grey, self.size, self.crops = network.grey, network.image_size, network.config.eval.crops
        self.temperature = network.temperature or 1.0
        self.pixel_mean: torch.Tensor
        self.pixel_std: torch.Tensor
        self.luma_weights: torch.Tensor
        self.register_buffer("pixel_mean", torch.tensor(IMAGENET_MEAN))
        self.register_buffer("pixel_std", torch.tensor(IMAGENET_STD))
        self.register_buffer("luma_weights", torch.tensor(LUMA, dtype=torch.int32))

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Computes the probabilities of a batch, and valence and arousal if there is a head for them."""
        if self.grey:
            weighted = (images.to(torch.int32) * self.luma_weights).sum(-1, keepdim=True, dtype=torch.int32)
            # No value is negative, so dividing rounds down as a shift does.
            images = torch.div(weighted + HALF, 1 << SHIFT, rounding_mode="floor").expand(-1, -1, -1, 3)
        values = (images.to(torch.float32) / 255 - self.pixel_mean) / self.pixel_std
        outputs = [
            self.network(view.permute(0, 3, 1, 2)) for view in torch_views(values, self.size, self.crops)
        ]
        logits = [output[:, : self.classes] for output in outputs]
        if len(logits) > 1:  # the logarithm of the mean probability, up to a constant
            logits = [torch.stack(logits).log_softmax(-1).logsumexp(0)]
        chances = (logits[0] / self.temperature).softmax(-1)
        if not self.has_affect:
            return chances
        return chances, torch.stack([output[:, self.classes :] for output in outputs]).mean(0)


def torch_views(images: torch.Tensor, size: int, crops: str) -> list[torch.Tensor]:
    """Cuts the crops of `ferjax.augment.crops.views`; mirroring is written differently in PyTorch."""
    cut = views(images, size, "five" if crops in CORNERED else "none")
    return cut + [view.flip(2) for view in cut] if crops in MIRRORED else cut
