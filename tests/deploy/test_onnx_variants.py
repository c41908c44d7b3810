"""Smaller ONNX files are about as good, and refused where they are not."""

import numpy as np
import pytest
from networks import trained_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ferjax.deploy import onnx, onnx_variants
from ferjax.errors import UserError

SIZE = 16


@pytest.fixture(scope="module")
def network():
    return trained_network(
        "fer_cnn", options={"hidden": 64}, temperature=10.0, data__image_size=SIZE, eval__batch_size=8
    )


@pytest.fixture(scope="module")
def float32(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    onnx.export(network, path)
    return path


class Source:
    """Images whose labels are what the network says."""

    name = "some"

    def __init__(self, float32, label_names, count=40):
        rng = np.random.default_rng(0)
        blocks = rng.integers(0, 256, (count, 2, 2, 3)).repeat(SIZE // 2, 1).repeat(SIZE // 2, 2)
        self.images = (0.7 * blocks + rng.integers(0, 76, blocks.shape)).astype(np.uint8)
        self.labels = onnx.load(float32)(self.images).argmax(-1) if count else np.zeros(0, int)
        self.label_names = label_names

    def __len__(self):
        return len(self.images)

    def take(self, indices):
        return {"image": self.images[indices], "label": self.labels[indices]}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("onnx-fp16", 0.6), ("onnx-int8", 0.45)])
def test_it_is_smaller_and_about_as_good(network, float32, tmp_path, monkeypatch, kind, share):
    monkeypatch.setattr(onnx_variants, "MOST_LOST", 0.2)  # of 20 images
    path = tmp_path / "small.onnx"
    source = Source(float32, network.label_names)
    before, after, images = onnx_variants.write(kind, network, source, float32, path)
    assert (before.accuracy, images) == (1.0, 20)
    assert after.accuracy >= 0.8
    assert path.stat().st_size < share * float32.stat().st_size
    found, expected = onnx.load(path)(source.images), onnx.load(float32)(source.images)
    np.testing.assert_allclose(found, expected, atol=0.1)
    assert np.abs(found - expected).max() > 0


def test_one_that_loses_too_much_is_refused(network, float32, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_variants, "MOST_LOST", -0.01)
    source = Source(float32, network.label_names)
    with pytest.raises(
        UserError,
        match=r"onnx-fp16 loses -?0\.0 points of \w+ on 20 validation images, more than -1: 100\.00% right",
    ):
        onnx_variants.write("onnx-fp16", network, source, float32, tmp_path / "small.onnx")
    assert list(tmp_path.iterdir()) == []


def test_images_that_say_nothing_are_refused(network, float32, tmp_path):
    for source, what in (
        (Source(float32, ("cat", "dog")), "some has other classes than the network"),
        (Source(float32, network.label_names, count=0), "needs at least 2 validation images; some has 0"),
    ):
        with pytest.raises(UserError, match=what):
            onnx_variants.write("onnx-int8", network, source, float32, tmp_path / "small.onnx")
