"""Grad-CAM: ferjax against the PyTorch package `grad-cam`, in turns in one process.

    python -m benchmarks.explain [--images 100] [--size 64] [--batch 16] [--rounds 3] [--json FILE]

ResEmoteNet with the same weights on both sides, at the same layer (8×8 places at 64×64). Both take uint8
images, normalise, explain the predicted class and bring maps of the images' size to the host. The package is
called in a loop over single images, as people write it, and in a loop over batches. The maps are compared
first: they must be the same up to their scale. The package computes the gradients of all weights on its way,
though only those of the layer are used.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks import command_line, measure
from benchmarks.torch_side import DEVICE, normalise
from ferjax import models
from ferjax.augment import normalise as normalise_in_jax
from ferjax.explain.grad_cam import grad_cam
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import import_state_dict
from ferjax.interop.torchvision import torchvision_models

PACKAGES = ("jax", "jaxlib", "flax", "torch", "grad-cam", "numpy")
NETWORK, LAYER = "resemotenet", "se"
AGREE = 1e-4  # of maps from 0 to 1
# Initial weights give gradients as small as the 1e-7 that the package adds to a map's largest value.
LOUDER = 1e4


class Ferjax:
    """Batches of images through one jitted function; the last one is filled up.

    Args:
        network: the PyTorch network whose weights are taken.
        images: uint8 `[N, H, W, 3]`.
        batch: images at a time.
    """

    def __init__(self, network: torch.nn.Module, images: np.ndarray, batch: int) -> None:
        model = models.create(NETWORK)
        self.variables = jax.device_put(import_state_dict(NETWORK, network.state_dict()))
        self.images, self.batch = images, batch

        def explain(variables: dict, images: jax.Array) -> jax.Array:
            pixels = normalise_in_jax(images)
            classes = model.apply(variables, pixels).argmax(-1)
            return grad_cam(model, variables, pixels, classes, layer=LAYER)

        self.explain = jax.jit(explain)

    def __call__(self) -> np.ndarray:
        """Maps `[N, H, W]` on the host."""
        count, parts = len(self.images), []
        for start in range(0, count, self.batch):
            rows = self.images[np.minimum(np.arange(start, start + self.batch), count - 1)]
            parts.append(self.explain(self.variables, jnp.asarray(rows)))
        return np.concatenate([np.asarray(part) for part in parts])[:count]


class Package:
    """The package's `GradCAM`; arguments as `Ferjax`."""

    def __init__(self, network: torch.nn.Module, images: np.ndarray, batch: int) -> None:
        torchvision_models()  # the package imports torchvision
        from pytorch_grad_cam import GradCAM

        self.images, self.batch = images, batch
        self.cam = GradCAM(model=network, target_layers=[network.get_submodule(LAYER)])

    def __call__(self) -> np.ndarray:
        """Maps `[N, H, W]` in [0, 1] on the host."""
        parts = []
        for start in range(0, len(self.images), self.batch):
            rows = torch.from_numpy(self.images[start : start + self.batch]).to(DEVICE)
            parts.append(self.cam(normalise(rows.permute(0, 3, 1, 2)), targets=None))
        return np.concatenate(parts)


def check_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Raises unless maps are the same up to their scale; the package's run from 0 to 1."""
    low, high = ours.min((1, 2), keepdims=True), ours.max((1, 2), keepdims=True)
    largest = float(np.abs((ours - low) / (high - low + 1e-7) - theirs).max())
    print(f"largest difference between the maps: {largest:.1e}")
    if largest > AGREE:
        raise SystemExit(f"the maps differ by {largest:.3f}: nothing is timed")


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=int, default=100, help="images a turn")
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default=measure.path("explain", NETWORK))
    args = parser.parse_args()
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (args.images, args.size, args.size, 3), np.uint8)
    network = counterpart(NETWORK, 7).eval()
    network.fc4.weight.data *= LOUDER
    ferjax = Ferjax(network, images, args.batch)
    network = network.to(DEVICE)
    check_same(ferjax()[: args.batch], Package(network, images[: args.batch], 1)())
    runs = {
        f"ferjax, batches of {args.batch}": ferjax,
        "grad-cam, one by one": Package(network, images, 1),
        f"grad-cam, batches of {args.batch}": Package(network, images, args.batch),
    }
    title = f"Grad-CAM, {NETWORK}, layer {LAYER}, {args.size}×{args.size}, {args.images} images a turn"
    rows = measure.table(title, args.images, measure.interleaved(runs, args.rounds))
    measure.record("explain", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
