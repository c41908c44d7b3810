"""Networks of Keras and TensorFlow.js give the numbers that their files mean, and are opened as runs are."""

import json

import jax
import numpy as np
import pytest
import tiny
from keras_files import BigXception, FaceExpressionNet, MiniXception

from ferjax.augment import normalise
from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import evaluate_run
from ferjax.interop.import_keras import import_keras
from ferjax.training import initial_weights

ARRIAGA = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FACE_API = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
# Network → its writer, the file's name, its classes, whether it takes grey images, their size.
NETWORKS = {
    "mini_xception": (MiniXception, "emotion.hdf5", ARRIAGA, True, 64),
    "big_xception": (BigXception, "emotion.json", ARRIAGA, True, 64),
    "face_expression_net": (FaceExpressionNet, "weights_manifest.json", FACE_API, False, 112),
}


@pytest.fixture(scope="module")
def graph_model(tmp_path_factory):
    return BigXception().write(tmp_path_factory.mktemp("human") / "emotion.json")


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py")


@pytest.mark.parametrize("name", NETWORKS)
def test_an_import_gives_the_reference_s_numbers(name, tmp_path):
    build, file, classes, grey, size = NETWORKS[name]
    if name == "mini_xception":
        pytest.importorskip("h5py")
    theirs = build()
    import_keras(theirs.write(tmp_path / file), tmp_path / "net")
    network = open_network(tmp_path / "net")
    assert network.config.model.name == name
    assert (network.label_names, network.grey, network.image_size) == (classes, grey, size)
    pixels = np.random.default_rng(1).integers(0, 256, (2, size, size, 1 if grey else 3)).astype(np.uint8)
    logits = jax.jit(network.model.apply)(network.variables, normalise(pixels))
    expected = theirs.logits(pixels)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_file_of_tensorflow_js_to_a_prediction(graph_model, tmp_path, shell, astronaut):
    from PIL import Image

    Image.fromarray(astronaut[:200, 150:350]).save(tmp_path / "face.png")
    out = tmp_path / "net"
    done = shell("import-keras", graph_model, f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert "big_xception" in done.stdout
    assert f"64×64 pixels, grey, to {', '.join(ARRIAGA)}" in done.stdout
    assert "name other classes with --classes" in done.stdout
    done = shell("predict", tmp_path / "face.png", f"--workdir={out}", "--cropped", "--format=jsonl")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[0])["probabilities"]) <= set(ARRIAGA)
    assert "import-keras takes one file" in tiny.only_line(shell("import-keras", f"--out={tmp_path / 'b'}"))


def test_it_is_evaluated_and_trained_from(graph_model, tmp_path, tiny_run):
    import_keras(graph_model, tmp_path / "net")
    scores = evaluate_run(tmp_path / "net", "fer2013", data_dir=str(tiny_run.data))
    assert sum(map(sum, scores["test"]["confusion_matrix"])) == tiny.SPLITS["PrivateTest"]
    config = tiny.tiny_configuration()
    config.init["from"] = str(tmp_path / "net")
    assert initial_weights.read(config).label_names == ARRIAGA


def test_other_classes_are_named(graph_model, tmp_path):
    own = ("calm", "happy", "sad", "angry", "fear", "bored", "surprise")
    assert import_keras(graph_model, tmp_path / "net", own).classes == own
    assert open_network(tmp_path / "net").label_names == own
    for classes, words in {
        own[:6]: "has 7 outputs, and --classes names 6",
        (*own[:6], "joy"): "'happy' and 'joy' are one class",
        own[:1]: "names one class",
    }.items():
        with pytest.raises(UserError, match=words):
            import_keras(graph_model, tmp_path / "other", classes)
    with pytest.raises(UserError, match=r"writes a folder; name it without \.h5$"):
        import_keras(graph_model, tmp_path / "net.h5")


def test_a_network_of_other_classes_needs_their_names(h5py, tmp_path):
    file = MiniXception(classes=3).write(tmp_path / "three.h5")
    with pytest.raises(UserError, match="has 3 outputs, and the published network 7: name them"):
        import_keras(file, tmp_path / "net")
    import_keras(file, tmp_path / "net", ("good", "bad", "other"))
    assert open_network(tmp_path / "net").model.num_classes == 3


def changed(file, tmp_path, change):
    """A copy of a graph model with a changed JSON file."""
    content = json.loads(file.read_text())
    change(content)
    (tmp_path / "emotion.bin").write_bytes(file.with_suffix(".bin").read_bytes())
    (tmp_path / "emotion.json").write_text(json.dumps(content))
    return tmp_path / "emotion.json"


def of(content, kind):
    return next(node for node in content["modelTopology"]["node"] if node["op"] == kind)


def sides(content):
    return of(content, "Placeholder")["attr"]["shape"]["shape"]["dim"]


def last_conv(content):
    return [node for node in content["modelTopology"]["node"] if node["op"] == "_FusedConv2D"][-1]


def weights(content):
    return content["weightsManifest"][0]


GRAPHS = {
    "stride": (lambda c: of(c, "MaxPool")["attr"].pop("strides"), "max_pool has the window 3"),
    "operation": (lambda c: of(c, "MaxPool").update(op="AvgPool"), "it has an operation AvgPool"),
    "activation": (lambda c: of(c, "Relu").update(op="Softmax"), "begin at different places"),
    "channels": (lambda c: of(c, "MaxPool")["attr"]["data_format"].update(s="TkNIVw=="), "channels first"),
    "a layers model": (lambda c: c.update(format="layers-model"), "is a layers-model"),
    "an order": (lambda c: of(c, "AddV2").update(input=["nowhere", "input_1"]), "reads nowhere, which is"),
    "no manifest": (lambda c: c.pop("weightsManifest"), "damaged one"),
    "no file": (lambda c: weights(c).update(paths=["other.bin"]), "'other.bin', which is not beside it"),
    "a file elsewhere": (lambda c: weights(c).update(paths=["../emotion.bin"]), "which is not beside it"),
    "a shape": (lambda c: weights(c)["weights"][0].update(shape=[-1, 3]), "damaged one"),
    "a long array": (lambda c: weights(c)["weights"][0].update(shape=[10**9, 10**9]), "end before the array"),
    "fewer arrays": (lambda c: weights(c)["weights"].pop(), "longer than the arrays"),
    "no input": (lambda c: of(c, "Placeholder").update(op="Identity"), "not images of a fixed size"),
    "an open size": (lambda c: sides(c)[1].update(size="-1"), r"takes arrays \[-1, 64, 1\], and not images"),
    "colour": (lambda c: sides(c)[3].update(size="3"), "64×64×3, and not square grey ones"),
    "no ReLU": (lambda c: of(c, "_FusedConv2D")["attr"].pop("fused_ops"), "there is conv where relu"),
    "no bias": (lambda c: last_conv(c).update(input=last_conv(c)["input"][:2]), "the last conv has no bias"),
    "a circle": (lambda c: of(c, "Softmax").update(op="Identity", input=["Identity"]), "reads itself"),
}  # fmt: skip


@pytest.mark.parametrize("what", GRAPHS)
def test_a_graph_that_does_not_fit_is_refused(graph_model, tmp_path, what):
    change, words = GRAPHS[what]
    with pytest.raises(UserError, match=words) as error:
        import_keras(changed(graph_model, tmp_path, change), tmp_path / "net")
    assert len(str(error.value)) <= 400
    assert "\n" not in str(error.value)
    assert not (tmp_path / "net").exists()


FILES = {
    "network.tflite": (b"\x1c\0\0\0TFL3" + bytes(60), "is a TFLite network"),
    "network.keras": (b"PK\x03\x04" + bytes(60), "an archive, as Keras 3 writes it"),
    "emotion.bin": (bytes(100), "neither HDF5 nor JSON"),
    "empty.json": (b"", "neither HDF5 nor JSON"),
    "cut.json": (b'{"format": "graph-mo', "is not valid JSON"),
    "other.json": (b'{"a": 1}', "no network of TensorFlow.js"),
    "list.json": (b"[1, 2]", "no network of TensorFlow.js"),
    "arrays.json": (b"[]", "arrays are missing or misshapen for face_expression_net"),
}


@pytest.mark.parametrize("name", FILES)
def test_another_file_is_named(tmp_path, name):
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        import_keras(tmp_path / name, tmp_path / "net")
    with pytest.raises(UserError, match="is a folder"):
        import_keras(tmp_path, tmp_path / "net")
    with pytest.raises(UserError, match="does not exist"):
        import_keras(tmp_path / "missing.h5", tmp_path / "net")


def test_a_damaged_hdf5_file_is_told(h5py, tmp_path):
    file = MiniXception().write(tmp_path / "a.h5")
    content = file.read_bytes()
    for name, damaged in {"cut": content[:5000], "empty": content[:8]}.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged, or not a network that Keras 2 saved"):
            import_keras(tmp_path / name, tmp_path / "net")
    with h5py.File(file, "r+") as opened:
        del opened.attrs["model_config"]
    with pytest.raises(UserError, match=r"save it with model\.save"):
        import_keras(file, tmp_path / "net")


def test_keras_networks_that_do_not_fit_are_refused(h5py, tmp_path):
    with pytest.raises(UserError, match="an epsilon of 1e-05"):
        import_keras(MiniXception(epsilon=1e-5).write(tmp_path / "a.h5"), tmp_path / "net")
    other = MiniXception()
    other.layers[2]["class_name"] = "Lambda"
    with pytest.raises(UserError, match="batch_normalization_1 is a Lambda"):
        import_keras(other.write(tmp_path / "b.h5"), tmp_path / "net")
    bad = MiniXception()
    bad.weights["conv2d_7"]["bias"][0] = np.nan
    with pytest.raises(UserError, match=r"hold NaN or infinity \(params/maps/bias\)"):
        import_keras(bad.write(tmp_path / "c.h5"), tmp_path / "net")


def test_arrays_outside_the_file_are_not_read(h5py, tmp_path):
    file, elsewhere = MiniXception().write(tmp_path / "a.h5"), MiniXception().write(tmp_path / "b.h5")
    place = "model_weights/conv2d_7/conv2d_7_1/bias:0"
    with h5py.File(file, "r+") as opened:
        del opened[place]
        opened[place] = h5py.ExternalLink(elsewhere.name, place)
    with pytest.raises(UserError, match="does not lie in the file"):
        import_keras(file, tmp_path / "net")
