"""The PyTorch side of the training and inference benchmarks: the same work on the same device."""

import numpy as np
import torch
from torch.nn import functional

from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD
from ferjax.interop.torch_networks import counterpart

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cuda":
    # What XLA does too: TF32 for float32 products, and convolutions tried out.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Bytes `[B, 3, H, W]` to what a network sees."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    return (images.float() / 255 - mean) / std


def on_device(network: str, images: np.ndarray, channels_last: bool) -> tuple[torch.Tensor, torch.nn.Module]:
    """Images `[B, 3, H, W]` and a network, in one memory format."""
    memory = torch.channels_last if channels_last else torch.contiguous_format
    placed = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=memory).to(DEVICE)
    torch.manual_seed(0)
    return placed, counterpart(network, 7, images.shape[1]).to(DEVICE, memory_format=memory)


class TorchTraining:
    """Flip, normalise, forward, cross entropy, backward, SGD with momentum and decay.

    Args:
        network: a name of `ferjax.models.names()`.
        images: uint8 `[B, H, W, 3]`.
        labels: int32 `[B]`.
        bfloat16: autocast to bfloat16.
        channels_last: PyTorch's NHWC memory format.
        compiled: forward and loss through `torch.compile`.
    """

    def __init__(
        self,
        network: str,
        images: np.ndarray,
        labels: np.ndarray,
        bfloat16: bool,
        channels_last: bool,
        compiled: bool,
    ) -> None:
        self.images, model = on_device(network, images, channels_last)
        model.train()
        self.labels = torch.from_numpy(labels).long().to(DEVICE)
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=DEVICE == "cuda"
        )

        def loss(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            flip = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
            images = torch.where(flip, images.flip(3), images)
            with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
                logits = model(normalise(images))
            return functional.cross_entropy(logits.float(), labels)

        self.loss = torch.compile(loss) if compiled else loss

    def __call__(self) -> float:
        """One step; returns when the loss is known and the parameters are there."""
        loss = self.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return loss.item()

    def step(self, images: torch.Tensor | None = None, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Starts one step, on the batch that lies on the device unless another one is given; the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.images if images is None else images, self.labels if labels is None else labels)
        loss.backward()
        self.optimizer.step()
        return loss


class TorchInference:
    """Normalise and forward in evaluation mode; the arguments are `TorchTraining`'s, labels are not read."""

    def __init__(
        self,
        network: str,
        images: np.ndarray,
        labels: np.ndarray,
        bfloat16: bool,
        channels_last: bool,
        compiled: bool,
    ) -> None:
        del labels
        self.images, model = on_device(network, images, channels_last)
        model.eval()

        def predict(images: torch.Tensor) -> torch.Tensor:
            with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
                return model(normalise(images))

        self.predict = torch.compile(predict) if compiled else predict

    @torch.inference_mode()
    def __call__(self) -> np.ndarray:
        """Logits on the host."""
        return self.predict(self.images).float().cpu().numpy()
