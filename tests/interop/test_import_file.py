"""A published file becomes a folder that every verb opens, or is refused in one line."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from ferjax.data.labels import FER7
from ferjax.deploy.model_card import model_card
from ferjax.errors import UserError
from ferjax.explain.subjects import from_split
from ferjax.inference import bundle, classifier
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import evaluate_run
from ferjax.interop.import_file import Wanted, import_file, options_of
from ferjax.interop.network_arrays import arrays_of
from ferjax.interop.torch_files import write_state_dict
from ferjax.interop.torch_networks import network
from ferjax.runs import weights
from ferjax.training import initial_weights

NAME = "fer_cnn"
WANTED = Wanted(NAME, {}, FER7, image_size=48)


def state_of(classes=7, image_size=48):
    rng = np.random.default_rng(0)
    described = arrays_of(NAME, network(NAME)._replace(image_size=image_size), classes, {})
    return {key: rng.normal(0, 0.05, one.torch_shape).astype(np.float32) for key, one in described.items()}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """As researchers publish them: wrapped, from several devices, with their settings beside."""
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("published") / "PrivateTest_model.t7"
    net = {f"module.{key}": torch.from_numpy(value) for key, value in state_of().items()}
    torch.save({"net": net, "best_acc": np.float64(70.1), "args": argparse.Namespace(lr=0.1)}, path)
    return path


@pytest.fixture(scope="module")
def folder(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("imported") / "net"
    import_file(file, out, WANTED._replace(grey=True))
    return out


def test_it_is_opened_as_a_run_is(folder, caplog):
    network = open_network(folder)
    assert (network.label_names, network.image_size, network.grey) == (FER7, 48, True)
    assert (network.imported, network.temperature) == (True, None)
    assert "not finished" not in caplog.text
    np.testing.assert_array_equal(network.variables["params"]["fc2"]["bias"], state_of()["fc2.bias"])
    faces = classifier.load(folder)
    images = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), np.uint8)
    np.testing.assert_allclose(faces.probabilities(images).sum(1), 1, rtol=1e-5)


def test_two_commands_from_a_file_to_a_prediction(file, tmp_path, shell, astronaut):
    from PIL import Image

    Image.fromarray(astronaut[:200, 150:350]).save(tmp_path / "face.png")
    classes = f"--classes={','.join(FER7)}"
    out = tmp_path / "net"
    done = shell("torch-import", file, f"--model={NAME}", classes, "--image_size=48", f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert f"--workdir={out}" in done.stdout
    assert "under 'net', without 'module.'" in done.stderr
    done = shell("predict", tmp_path / "face.png", f"--workdir={out}", "--cropped", "--format=jsonl")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout.splitlines()[0])
    assert set(row["probabilities"]) <= set(FER7)


def test_a_bundle_of_it_says_that_it_was_imported(folder, tmp_path):
    network = open_network(folder)
    card = model_card(network, None)
    assert "imported from another program: what it was trained on" in card
    assert "Not measured" in card
    bundle.write(network, card, tmp_path / "bundle")
    read = bundle.read(tmp_path / "bundle")
    assert (read.label_names, read.imported, read.grey) == (FER7, True, True)


def test_without_a_data_set_pictures_must_be_named(folder):
    network = open_network(folder)
    with pytest.raises(UserError, match="has no data set of its own: name pictures with --images"):
        from_split(network, classifier.Classifier.of(network), "test", 8, "")


def test_it_is_evaluated_on_a_set_that_is_named(folder, tiny_run, caplog):
    with pytest.raises(UserError, match="no data set of its own: name one with --dataset"):
        evaluate_run(folder)
    scores = evaluate_run(folder, "fer2013", data_dir=str(tiny_run.data))
    assert sum(map(sum, scores["test"]["confusion_matrix"])) == tiny.SPLITS["PrivateTest"]
    assert scores["label_names"] == list(FER7)
    assert "was not compared with what it was trained on elsewhere" in caplog.text


def test_a_run_keeps_its_classifier_for_the_same_classes(folder):
    config = tiny.tiny_configuration()
    config.init["from"] = str(folder)
    origin = initial_weights.read(config)
    assert (origin.network, origin.label_names, origin.image_size) == (NAME, FER7, 48)


def test_without_classes_it_is_only_to_train_from(file, tmp_path):
    import_file(file, tmp_path / "net", Wanted(NAME, {}))
    assert not (tmp_path / "net" / "config.json").exists()
    with pytest.raises(UserError, match="import them with --classes and --image_size"):
        open_network(tmp_path / "net")


BAD = {
    "fewer": (WANTED._replace(classes=FER7[:6]), "has 7 outputs, and --classes names 6"),
    "more": (WANTED._replace(classes=(*FER7, "contempt")), "has 7 outputs, and --classes names 8"),
    "twice": (WANTED._replace(classes=(*FER7[:6], "joy")), "'happy' and 'joy' are one class"),
    "empty": (WANTED._replace(classes=(*FER7[:6], "")), "'' cannot be a class's name"),
    "line break": (WANTED._replace(classes=(*FER7[:6], "a\nb")), "cannot be a class's name"),
    "one": (WANTED._replace(classes=("happy",)), "names one class"),
    "no size": (WANTED._replace(image_size=None), "--classes needs --image_size"),
    "other size": (WANTED._replace(image_size=24), "image_size 24 is not that of its training"),
    "huge": (WANTED._replace(image_size=10**6), r"data\.image_size"),
    "new head": (WANTED._replace(head="new"), "--head=new leaves out the classifier"),
    "number": (WANTED._replace(num_classes=8), "--num_classes=8, and --classes names 7"),
    "grey alone": (Wanted(NAME, {}, grey=True), "--grey changes nothing without --classes"),
    "option": (Wanted(NAME, {"dropout": 2.0}), "dropout"),
    "option of a wrong type": (Wanted(NAME, {"dropout": "much"}), "dropout"),
    "no option": (Wanted(NAME, {"widht": 3}), "no option 'widht'"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused_and_nothing_is_written(file, tmp_path, what):
    wanted, words = BAD[what]
    with pytest.raises(UserError, match=words) as error:
        import_file(file, tmp_path / "net", wanted)
    assert len(str(error.value)) <= 400
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.pth", "x.pt", "x.SafeTensors", "x.ckpt", "x.zip", "x.pth.tar"])
def test_a_folder_is_not_called_as_a_file(file, tmp_path, name):
    with pytest.raises(UserError, match="torch-import writes a folder"):
        import_file(file, tmp_path / name, WANTED)


def test_an_older_folder_that_is_called_as_a_file_is_still_read(file, tmp_path):
    import_file(file, tmp_path / "net", WANTED)
    Path(tmp_path / "net").rename(tmp_path / "net.pth")
    config = tiny.tiny_configuration()
    config.init["from"] = str(tmp_path / "net.pth")
    assert initial_weights.read(config).label_names == FER7


def test_the_size_of_the_images_goes_with_the_file(tmp_path):
    write_state_dict(tmp_path / "a.safetensors", state_of(image_size=24), {"image_size": "24"})
    import_file(tmp_path / "a.safetensors", tmp_path / "net", Wanted(NAME, {}))
    assert weights.load(tmp_path / "net")[1]["image_size"] == 24


def test_float64_beyond_float32_is_refused(tmp_path):
    state = {**state_of(), "fc2.bias": np.full(7, 1e300)}
    write_state_dict(tmp_path / "a.safetensors", state, {})
    with pytest.raises(UserError, match=r"1 of 10 arrays hold NaN or infinity \(params/fc2/bias\)"):
        import_file(tmp_path / "a.safetensors", tmp_path / "net", WANTED)


def test_options_of_a_flag():
    assert options_of("width=3,norm=False") == {"width": 3, "norm": False}
    assert options_of("") == {}
    with pytest.raises(UserError, match="'width' is not key=value"):
        options_of("width")
