"""The page's networks as ONNX: answers, class-activation maps, and YuNet."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import pictures, trained_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime

from ferjax.augment import normalise
from ferjax.deploy import export_check, yunet
from ferjax.errors import UserError
from ferjax.explain.class_activation_map import class_activation_map
from ferjax.explain.run_methods import network_input
from ferjax.web import face_network, program


def run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images}), strict=True))


@pytest.mark.slow
def test_maps_are_the_class_activation_maps_of_the_centre(tiny_model, tmp_path):
    """Also with several views of each picture, and beside valence and arousal."""
    network = trained_network(
        data__name="toons/avataaars", data__source_size=20, eval__crops="ten", affect__head="beside"
    )
    assert program.export(network, tmp_path / "network.onnx") < 1e-5
    images, classes = pictures(3, 20), jnp.array([1, 0, 6])
    found = run(tmp_path / "network.onnx", images)
    assert list(found) == program.outputs(network) == ["probabilities", "affect", "maps"]
    chosen = np.stack(
        [maps[:, :, label] for maps, label in zip(found["maps"], classes.tolist(), strict=True)]
    )
    size = network.image_size
    enlarged = jax.image.resize(chosen, (3, size, size), "linear", antialias=False)
    seen = normalise(network_input(network, images))
    wanted = jax.jit(partial(class_activation_map, network.model))(network.variables, seen, classes)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(enlarged, wanted, atol=1e-5)


def test_a_network_without_such_maps(tmp_path):
    network = trained_network("fer_cnn", options={"hidden": 16}, data__image_size=48)
    assert not program.has_maps(network)
    assert program.outputs(network) == ["probabilities"]


def test_a_network_that_differs_is_refused(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(export_check, "TOLERANCE", 0.0)
    monkeypatch.setattr(export_check, "_MOST", 0.0)
    with pytest.raises(UserError, match="tiny cannot be written as ONNX: the exported network differs by"):
        program.export(trained_network(data__name="toons/avataaars"), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_yunet_is_the_same_for_any_size(tmp_path, astronaut):
    assert 0 < face_network.export(tmp_path / "faces.onnx") < 1e-3
    image = astronaut[None, :256, 100:292]
    cells = run(tmp_path / "faces.onnx", image)
    assert [maps.shape for maps in cells.values()] == [(1, 32, 24, 10), (1, 16, 12, 10), (1, 8, 6, 10)]
    found = jax.jit(yunet.decoded)([cells[name] for name in face_network.OUTPUTS])
    wanted = jax.jit(yunet.boxes)(yunet.weights(), image)
    best = int(wanted.scores.argmax())
    assert wanted.scores[0, best] > 0.8
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
    np.testing.assert_allclose(found.eyes[0, best], wanted.eyes[0, best], atol=1e-3)


def test_other_weights_of_yunet_are_noticed(tmp_path, monkeypatch):
    weights = yunet.weights()
    wrong = weights | {"stem.bias": weights["stem.bias"] + 0.1}
    answers = iter([wrong])
    monkeypatch.setattr(yunet, "weights", lambda: next(answers, weights))
    with pytest.raises(UserError, match="what finds faces differs by"):
        face_network.export(tmp_path / "faces.onnx")
