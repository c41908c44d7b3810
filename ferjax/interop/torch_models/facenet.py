"""facenet-pytorch's Inception-ResNet-v1 with the options of ferjax's."""

import importlib

import torch
from torch import nn

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.errors import UserError
from ferjax.interop.torchvision import torchvision_models
from ferjax.models.facenet import FIXED_CENTRE, FIXED_SCALE

torchvision_models()  # before facenet-pytorch imports torchvision, which may need the declared operators
try:
    _InceptionResnetV1 = importlib.import_module("facenet_pytorch").InceptionResnetV1
except ModuleNotFoundError as error:
    raise UserError(
        f"facenet in PyTorch needs the package {error.name}: pip install --no-deps facenet-pytorch (its "
        "metadata asks for old versions of torch and numpy; it works with new ones)"
    ) from error


def fixed_standardisation(images: torch.Tensor) -> torch.Tensor:
    """Turns ImageNet-normalised `[B, 3, H, W]` into facenet-pytorch's `fixed_image_standardization`."""
    std, mean = (images.new_tensor(values)[:, None, None] for values in (IMAGENET_STD, IMAGENET_MEAN))
    return ((images * std + mean) * 255 - FIXED_CENTRE) / FIXED_SCALE


class FaceNet(_InceptionResnetV1):
    """Gives logits, or embeddings of length 1 if `num_classes` is 0."""

    def __init__(
        self, num_classes: int = 7, dropout: float = 0.6, fixed_standardisation: bool = False
    ) -> None:
        super().__init__(classify=num_classes > 0, num_classes=num_classes or None, dropout_prob=dropout)
        self.fixed = fixed_standardisation

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes `[B, K]` from `[B, 3, H, W]`."""
        return super().forward(fixed_standardisation(images) if self.fixed else images)


class FaceFeatures(FaceNet):
    """FaceNet without the embedding, frozen: always in evaluation mode, and its gradients are zero."""

    def __init__(self, fixed_standardisation: bool = False) -> None:
        super().__init__(num_classes=0, dropout=0.0, fixed_standardisation=fixed_standardisation)
        self.last_linear = self.last_bn = nn.Identity()
        self.eval()

    def train(self, mode: bool = True) -> "FaceFeatures":
        """Stays in evaluation mode, so that the frozen net keeps its statistics."""
        return super().train(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes features `[B, 1792]`, before facenet-pytorch scales them to length 1."""
        kept = []
        hook = self.avgpool_1a.register_forward_hook(lambda *call: kept.append(call[-1].flatten(1)))
        super().forward(images)
        hook.remove()
        features = kept[0]
        if features.requires_grad:
            features.register_hook(torch.zeros_like)  # zeros, as ferjax has them, not None
        return features
