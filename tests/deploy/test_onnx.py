"""ONNX files say what the network says; tried on networks with everything that needs care."""

import functools
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from networks import pictures, trained_network

from benchmarks import onnx_export
from ferjax import models
from ferjax.data.memory_source import MemorySource
from ferjax.deploy import export_check
from ferjax.errors import UserError
from ferjax.inference import layer_statistics, trained
from ferjax.scores import unlike

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ferjax.deploy import onnx, onnx_variants
from ferjax.deploy.to_onnx.lowerings import LOWERINGS

# The centre and its mirror image, bfloat16, a flatten; grey, a spatial transformer, another size; attention.
NETWORKS = {
    "fer_cnn": {
        "options": {"hidden": 16}, "data__name": "toons/avataaars", "data__image_size": 48,
        "data__source_size": 54, "eval__crops": "flip", "train__precision": "bfloat16",
    },
    "attentional_cnn": {"data__name": "fer2013", "data__image_size": 40},
    "vit_tiny48": {"options": {"depth": 2, "registers": 1}, "data__image_size": 24},
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Each network and its file, written when first asked for."""
    folder, made = tmp_path_factory.mktemp("onnx"), {}

    def make(name):
        if name not in made:
            network = trained_network(name, **NETWORKS[name])
            gap = onnx.export(network, folder / f"{name}.onnx")
            assert 0 <= gap <= export_check.TOLERANCE
            made[name] = network, folder / f"{name}.onnx"
        return made[name]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_says_what_the_network_says(files, name):
    network, path = files(name)
    exact, run = trained.in_precision(network, "float32"), onnx.load(path)
    step = jax.jit(trained.predict_step(exact))
    for batch in (1, 7):
        images = pictures(batch, network.input_size)
        wanted = np.exp(np.asarray(step(exact.variables, images)))
        np.testing.assert_allclose(run(images), wanted, atol=export_check.TOLERANCE)


@pytest.mark.slow
def test_the_file_tells_its_classes(files):
    import onnxruntime

    network, path = files("fer_cnn")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,), (said,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape, images.type) == ("images", ["batch", 54, 54, 3], "tensor(uint8)")
    assert (said.name, said.shape, said.type) == ("probabilities", ["batch", 7], "tensor(float)")
    assert b".py" not in path.read_bytes()
    told = session.get_modelmeta().custom_metadata_map
    facts = {key: json.loads(value) for key, value in told.items()}
    assert facts["label_names"] == list(network.label_names)
    assert (facts["image_size"], facts["temperature"], facts["grey"]) == (54, 1.7, False)
    assert facts["pixel_mean"] == [0.485, 0.456, 0.406]


@pytest.fixture(scope="module")
def telling():
    """A network with crops and mirror images that tells pictures unlike those of training."""
    size = {"data__image_size": 16, "data__source_size": 20, "eval__crops": "flip"}
    network = trained_network("small_resnet", data__name="toons/avataaars", **size)
    features = layer_statistics.statistics(network, "layer1_0", pictures(150, 20))
    return network._replace(unlike=unlike.fit("layer1_0", features[:100], features[100:]))


@pytest.mark.slow
def test_it_tells_how_far_pictures_lie_from_those_of_training(telling, tmp_path):
    import onnx as onnx_format
    import onnxruntime

    onnx.export(telling, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    images = pictures(9, 20, seed=5)
    (distances,) = session.run(["distance"], {"images": images})
    wanted = telling.unlike.distances(layer_statistics.statistics(telling, "layer1_0", images))
    np.testing.assert_allclose(distances, wanted, rtol=1e-3)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["unlike_above"]) == telling.unlike.above
    assert [each.name for each in session.get_outputs()] == ["probabilities", "distance"]
    assert onnx.load(tmp_path / "a.onnx")(images).shape == (9, 7)
    # The layer is computed once: as many convolutions as without.
    written, plain = onnx_format.load(tmp_path / "a.onnx"), onnx.model(telling._replace(unlike=None))
    kinds = [[node.op_type for node in each.graph.node] for each in (written, plain)]
    assert kinds[0].count("Conv") == kinds[1].count("Conv")
    assert json.loads({each.key: each.value for each in plain.metadata_props}["unlike_above"]) is None


@pytest.mark.slow
@pytest.mark.relative
def test_an_8_bit_file_does_not_tell_it(telling, tmp_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnx_variants, "MOST_LOST", 1.0)
    float32, images = tmp_path / "a.onnx", pictures(20, 20)
    onnx.export(telling, float32)
    names = {"label_names": telling.label_names, "name": "some", "split": "validation"}
    source = MemorySource(images, np.arange(20, dtype=np.int32) % 7, **names)
    for kind, outputs in (("onnx-int8", ["probabilities"]), ("onnx-fp16", ["probabilities", "distance"])):
        onnx_variants.write(kind, telling, source, float32, tmp_path / "b.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "b.onnx", providers=["CPUExecutionProvider"])
        assert [each.name for each in session.get_outputs()] == outputs


@pytest.mark.slow
@pytest.mark.parametrize("spinning", [False, True])
def test_its_threads_leave_the_cores_to_xla(files, monkeypatch, spinning):
    import onnxruntime

    opened = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, path, options, **others):
            opened.append(options.get_session_config_entry("session.intra_op.allow_spinning"))
            super().__init__(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    _, path = files("fer_cnn")
    onnx.load(path, spinning=spinning)
    assert opened == [str(int(spinning))]


def test_a_file_of_something_else_is_refused(tmp_path):
    from onnx import TensorProto, helper

    kinds = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("images", "other")]
    node = helper.make_node("Identity", ["images"], ["other"])
    graph = helper.make_graph([node], "g", kinds[:1], kinds[1:])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (tmp_path / "a.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(UserError, match="has no output probabilities: it is no file of ferjax export"):
        onnx.load(tmp_path / "a.onnx")


@pytest.mark.slow
def test_weights_that_went_wrong_are_found(files, monkeypatch, tmp_path):
    """The check at export is a real one: it sees a network whose temperature was forgotten."""
    network, _ = files("attentional_cnn")
    monkeypatch.setattr(onnx.export_check, "largest_difference", lambda *_: 0.0)
    onnx.export(network._replace(temperature=None), tmp_path / "a.onnx")
    monkeypatch.undo()
    with pytest.raises(ArithmeticError, match="differs by"):
        export_check.largest_difference(network, onnx.load(tmp_path / "a.onnx"))


@pytest.mark.slow
def test_a_file_that_differs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export_check, "TOLERANCE", 0.0)
    monkeypatch.setattr(export_check, "_MOST", 0.0)
    network = trained_network("fer_cnn", options={"hidden": 16}, data__image_size=48)
    with pytest.raises(UserError, match="fer_cnn cannot be written as ONNX: the exported network differs by"):
        onnx.export(network, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_difference_of_rounding_is_told_from_another(monkeypatch):
    """As of networks in which rounding alone exceeds the tolerance; float64 shows how much it does."""
    monkeypatch.setattr(export_check, "TOLERANCE", 1e-12)
    network = trained_network("fer_cnn", options={"hidden": 16}, data__image_size=48)
    step = jax.jit(trained.answer_step(network))

    def run(images, away):
        logs, _ = step(network.variables, images)
        return np.exp(np.asarray(logs)) + np.array([away, -away] + [0] * 5, np.float32)

    rounding = export_check.largest_difference(network, functools.partial(run, away=3e-8))
    assert rounding == pytest.approx(3e-8, abs=2e-8)
    with pytest.raises(ArithmeticError, match=r"differs by 1\.\de-05 from the network"):
        export_check.largest_difference(network, functools.partial(run, away=1e-5))


@pytest.mark.relative
@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_every_network_can_be_written(name, tmp_path):
    """As `export` does, which refuses a file that differs."""
    network = onnx_export.drawn_network(name)
    assert 0 <= onnx.export(network, tmp_path / "a.onnx") < 1e-4
    images = export_check.noise(np.random.default_rng(0), 8, network.input_size)  # as the check draws it
    step = jax.jit(trained.predict_step(network))
    assert np.ptp(np.exp(step(network.variables, images)), axis=0).max() > 0.05  # so a difference would show


def test_onnxruntime_stores_no_identifier_and_sends_nothing(tmp_path):
    """In a process that no CI is told to: there, onnxruntime is silent by itself."""
    program = "from ferjax.deploy import onnx; onnx.check_installed(); import onnxruntime"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_is_not_translated_is_told(tiny_model, tmp_path, monkeypatch):
    monkeypatch.delitem(LOWERINGS, "dot_general")
    with pytest.raises(UserError, match="lacks the operation dot_general; write it as stablehlo"):
        onnx.export(trained_network(), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.onnx").write_text("text")
    for name in ("a.onnx", "b.onnx"):
        with pytest.raises(UserError, match=r"\.onnx cannot be read by onnxruntime"):
            onnx.load(tmp_path / name)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(onnx.importlib.sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"needs the package onnx: pip install 'ferjax\[onnx\]'"):
        onnx.check_installed()
