"""A network's input in ferjax equals its input after torchvision's transforms."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD, normalise
from ferjax.augment.crops import views
from ferjax.data.images import decode, encode_png
from ferjax.interop.torchvision import torchvision_models

torchvision_models()  # before anything else of torchvision is imported
from torchvision import transforms  # noqa: E402
from torchvision.transforms import functional  # noqa: E402


@pytest.fixture(scope="module")
def photograph():
    """Smooth and sharp parts, uint8 [70, 100, 3]."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 200, (7, 10, 3)), np.ones((10, 10, 1)))
    return (smooth + rng.integers(0, 56, smooth.shape)).astype(np.uint8)


@pytest.mark.parametrize("size", [24, 64, 128])
def test_resizing_a_pil_image(photograph, size):
    theirs = transforms.Resize((size, size))(Image.fromarray(photograph))
    np.testing.assert_array_equal(decode(encode_png(photograph), size), np.asarray(theirs))


@pytest.mark.parametrize("size", [24, 64])
def test_resizing_a_tensor_differs_by_rounding_alone(photograph, size):
    """torchvision's own kernel for tensors antialiases alike, to within one of 255."""
    theirs = transforms.Resize((size, size), antialias=True)(torch.from_numpy(photograph).permute(2, 0, 1))
    ours = decode(encode_png(photograph), size).astype(int)
    assert np.abs(ours - theirs.permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 66), (67, 68), (70, 69), (48, 48)])
def test_centre_and_corner_crops(height, width):
    """Also where the middle lies between two pixels."""
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    (centre,) = views(images, 48, "none")
    np.testing.assert_array_equal(centre, functional.center_crop(tensors, [48, 48]).permute(0, 2, 3, 1))
    theirs = {crop.numpy().tobytes() for crop in functional.five_crop(tensors, [48, 48])}
    ours = {np.ascontiguousarray(view.transpose(0, 3, 1, 2)).tobytes() for view in views(images, 48, "five")}
    assert ours == theirs


def test_normalisation(photograph):
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    theirs = chain(Image.fromarray(photograph)).permute(1, 2, 0).numpy()
    ours = np.asarray(normalise(photograph[None]))[0]
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)  # values up to 2.6: a few last bits


def test_grey_to_rgb_and_back(photograph):
    grey = Image.fromarray(photograph).convert("L")
    shown = transforms.Grayscale(num_output_channels=3)(grey)
    encoded = io.BytesIO()
    grey.save(encoded, "PNG")
    for channels in (3, None):  # repeated when decoded, or on the device
        image = decode(encoded.getvalue(), channels=channels)
        theirs = transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)(transforms.ToTensor()(shown))
        np.testing.assert_allclose(
            np.asarray(normalise(image[None]))[0], theirs.permute(1, 2, 0).numpy(), rtol=0, atol=1e-6
        )
    theirs = transforms.Grayscale()(Image.fromarray(photograph))
    np.testing.assert_array_equal(decode(encode_png(photograph), channels=1)[:, :, 0], np.asarray(theirs))


def test_the_usual_chain_of_evaluation(photograph):
    """Resize, centre crop, normalise: `data.source_size` and `data.image_size` of a config."""
    chain = transforms.Compose([
        transforms.Resize((72, 72)), transforms.CenterCrop(64), transforms.ToTensor(),
        transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ])  # fmt: skip
    theirs = chain(Image.fromarray(photograph)).permute(1, 2, 0).numpy()
    (cropped,) = views(decode(encode_png(photograph), 72)[None], 64, "none")
    np.testing.assert_allclose(np.asarray(normalise(cropped))[0], theirs, rtol=0, atol=1e-6)
