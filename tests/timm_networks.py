"""timm's networks, which ferjax's are compared with, in float64 and ready to be read."""

import torch

from ferjax.interop.torchvision import torchvision_models


def timm_network(factory, /, **options):
    """A network of timm in evaluation mode, float64, whose arrays are all different.

    Args:
        factory: `package.module:callable` under `timm.models`.
        **options: of the callable.
    """
    torchvision_models()  # timm imports torchvision, which not every PyTorch can do by itself
    import importlib

    module, _, name = factory.partition(":")
    torch.manual_seed(0)
    net = getattr(importlib.import_module(f"timm.models.{module}"), name)(**options)
    generator = torch.Generator().manual_seed(1)
    for values in [*net.parameters(), *net.buffers()]:
        if values.is_floating_point() and bool((values == values.flatten()[0]).all()):
            values.data += 0.2 * torch.rand(values.shape, generator=generator)
    return net.double().eval()


def logits_and_gradient(net, images):
    """Logits, and the gradient by the images of their squares' sum; images NumPy `[B, H, W, 3]`."""
    given = torch.tensor(images).permute(0, 3, 1, 2).requires_grad_()
    logits = net(given)
    logits.square().sum().backward()
    return logits.detach().numpy(), given.grad.permute(0, 2, 3, 1).numpy()
