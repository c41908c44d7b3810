"""Grad-CAM, Grad-CAM++ and HiResCAM beside the PyTorch package `grad-cam` on the same weights."""

import jax
import numpy as np
import pytest

from ferjax import models
from ferjax.explain.methods import METHODS
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import import_state_dict
from ferjax.interop.torchvision import torchvision_models

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    theirs = counterpart("resnet18", 7).eval()
    # Large gradients: the package adds 1e-6 to a sum of their squares in Grad-CAM++.
    theirs.fc.weight.data *= 100
    model = models.create("resnet18")
    variables = import_state_dict("resnet18", theirs.state_dict())
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    classes = np.array([1, 4], np.int32)

    @jax.jit  # all of them in one program: the network is compiled once
    def explain(variables, images, classes):
        return {
            method: METHODS[method](model, variables, images, classes, layer=layer)
            for method, _, layer, _ in CASES
        }

    return theirs, images, classes, explain(variables, images, classes)


# A method, its class in the package, and the layer by both names.
CASES = [
    ("grad_cam", "GradCAM", "layer4_1", "layer4"),
    ("grad_cam_plus_plus", "GradCAMPlusPlus", "layer4_1", "layer4"),
    ("hires_cam", "HiResCAM", "layer2_1", "layer2"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "theirs", "layer", "name"), CASES)
def test_same_maps_up_to_their_scale(network, method, theirs, layer, name):
    torchvision_models()  # the package imports torchvision
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    other, images, classes, maps = network
    ours = np.asarray(maps[method])
    with getattr(pytorch_grad_cam, theirs)(model=other, target_layers=[getattr(other, name)[-1]]) as cam:
        targets = [ClassifierOutputTarget(int(label)) for label in classes]
        expected = cam(torch.from_numpy(images).permute(0, 3, 1, 2), targets)
    # The package stretches each map to 0 … 1.
    ours = ours - ours.min((1, 2), keepdims=True)
    ours = ours / ours.max((1, 2), keepdims=True)
    assert expected.max() > 0.9
    np.testing.assert_allclose(ours, expected, atol=2e-3)
