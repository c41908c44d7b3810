"""A network that needs to know how many images there are cannot be exported, which is said in one line."""

import pytest
import tiny
from flax import linen as nn
from networks import trained_network

from ferjax.deploy import onnx, stablehlo
from ferjax.deploy.any_batch import for_any_batch
from ferjax.errors import UserError


class Counting(tiny.TinyNet):
    """Needs the number of images as one of Python's."""

    @nn.compact
    def __call__(self, images, train=False):
        return nn.Dense(self.num_classes)(images.reshape(len(images), -1))


class Comparing(tiny.TinyNet):
    """Asks how many images there are."""

    @nn.compact
    def __call__(self, images, train=False):
        x = images.reshape((images.shape[0], -1))
        return nn.Dense(self.num_classes)(x * 2 if images.shape[0] > 3 else x)


@pytest.mark.parametrize("network", [Counting, Comparing])
@pytest.mark.parametrize("export", [stablehlo.export, onnx.model], ids=["stablehlo", "onnx"])
def test_a_network_that_counts_images_is_refused(network, export, monkeypatch):
    if export is onnx.model:
        pytest.importorskip("onnx")
    monkeypatch.setattr(tiny, "TinyNet", network)
    with tiny.registered():
        trained = trained_network()
        with pytest.raises(
            UserError, match=r"tiny cannot be exported for batches.*images\.shape\[0\] instead"
        ):
            export(trained)


def test_other_errors_stay_as_they_are():
    with pytest.raises(TypeError, match="another"), for_any_batch("tiny"):
        raise TypeError("another")
