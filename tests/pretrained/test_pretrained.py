"""The network that ferjax ships: found by its name, whole, small, and used where no other is named."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import trained_network
from PIL import Image

from ferjax import pretrained
from ferjax.config import defaults
from ferjax.errors import UserError
from ferjax.inference import bundle
from ferjax.inference.open_run import open_network
from ferjax.pretrained import places
from ferjax.training import initial_weights

LARGEST = 4 * 10**6  # bytes of a network in the package
TOLD = r"the network is faces, which ferjax ships; its model card: (\S+MODEL_CARD\.md)"


@pytest.fixture(scope="module")
def network():
    return open_network(pretrained.shipped("faces"))


@pytest.fixture
def photo(tmp_path, astronaut):
    Image.fromarray(astronaut[50:190, 160:290]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def command(tiny_run, tmp_path):
    """Runs a verb in an empty folder of its own: its exit code and what it printed."""

    def run(*arguments):
        return tiny_run.server.ask(run=list(map(str, arguments)), folder=str(tmp_path))

    return run


# Names.


def test_names():
    assert pretrained.names() == ("faces",)
    assert pretrained.shipped("faces") == places.FOLDER / "faces"
    with pytest.raises(UserError, match="ferjax ships no network 'face'; it ships faces"):
        pretrained.load("face")


@pytest.mark.parametrize("inside", ["checkpoints/", "manifest.json", "photo.jpg", None])
def test_a_folder_of_this_name_wins_if_it_holds_a_network(tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    if inside:
        Path("faces").mkdir()
        place = Path("faces", inside)
        place.mkdir() if inside.endswith("/") else place.touch()
    own = inside in ("checkpoints/", "manifest.json")
    assert pretrained.locate("faces") == (Path("faces") if own else pretrained.shipped("faces"))
    assert pretrained.locate("./faces") == pretrained.locate("faces")
    for other in ("runs/faces", str(tmp_path / "faces"), "faces.zip"):
        assert pretrained.locate(other) == Path(other)


def test_a_file_of_this_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("faces").touch()
    assert pretrained.locate("faces") == Path("faces")


# What is shipped.


@pytest.mark.parametrize("name", pretrained.names())
def test_the_shipped_files_are_small_and_complete(name):
    folder = pretrained.shipped(name)
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *bundle.FILES}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST
    card = bundle.read_card(folder)
    for words in ("Not for decisions about people", "Open Database licence", "were left out", "unsure"):
        assert words in card


def test_the_shipped_network_is_calibrated_and_knows_its_limits(network):
    assert network.temperature
    assert 0 < network.unsure.below < 1
    assert network.unsure.accuracy >= 0.8
    assert {one["data"]["name"] for one in network.trained_on} == {"fer2013"}
    assert network.trained_on[0]["data"]["dir"] == "" == network.config.data.dir


@settings(max_examples=15, deadline=None)  # tests/inference/test_bundle.py tries every part of one
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_damaged_byte_of_the_weights_is_one_line(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(pretrained.shipped("faces"), folder / "faces")
    content = bytearray((folder / "faces" / bundle.WEIGHTS).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / "faces" / bundle.WEIGHTS).write_bytes(content)
    line = why_it_is_refused(folder)
    assert "weights.safetensors was changed" in line
    assert "install ferjax again (pip install --force-reinstall" in line
    assert len(line) <= 400
    assert "\n" not in line


def test_a_missing_file_of_the_package(tmp_path):
    assert "install ferjax again" in why_it_is_refused(tmp_path, missing=bundle.MANIFEST)
    assert "install ferjax again" in why_it_is_refused(tmp_path, missing=bundle.WEIGHTS)
    assert "install ferjax again" in why_it_is_refused(tmp_path / "nothing")


def why_it_is_refused(folder, missing=""):
    """The error of the shipped network, if it lay in this folder."""
    if missing:
        shutil.rmtree(folder / "faces", ignore_errors=True)
        shutil.copytree(pretrained.shipped("faces"), folder / "faces")
        (folder / "faces" / missing).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "FOLDER", folder)
        with pytest.raises(UserError) as caught:
            pretrained.load()
    return str(caught.value)


# Commands.


def test_predict_without_a_network(command, photo):
    code, out, err = command("predict", photo, "--cropped", "--format=jsonl")
    assert code == 0, err
    card = re.search(TOLD, err)
    assert Path(card[1]).is_file()
    row = json.loads(out)
    assert row["unsure"] == (row["probability"] < open_network(pretrained.shipped("faces")).unsure.below)
    for below, unsure in ((1, True), (0, None)):
        _, out, _ = command("predict", photo, "--cropped", "--format=jsonl", f"--unsure_below={below}")
        assert json.loads(out).get("unsure") is unsure


def test_a_damaged_package_ends_a_command_with_2(command, photo, tmp_path):
    """By the way that a run or a bundle goes too: a folder that is named."""
    shutil.copytree(pretrained.shipped("faces"), tmp_path / "faces")
    tiny.flip(tmp_path / "faces" / bundle.WEIGHTS)
    code, _, err = command("predict", photo, "--cropped", "--workdir=faces")
    assert code == 2
    assert "faces/weights.safetensors was changed" in err.splitlines()[-1]
    assert "ferjax ships" not in err  # the folder in the current one wins


@pytest.mark.slow
def test_explain_without_a_network(command, photo, tmp_path):
    code, _, err = command("explain", f"--images={photo}", "--cropped", "--methods=saliency")
    assert code == 0, err
    assert re.search(TOLD, err)
    assert (tmp_path / "explanations" / "index.html").is_file()


@pytest.mark.slow
def test_export_without_a_network(command, tmp_path, network):
    code, _, err = command("export", "--out=handed", "--formats=bundle")
    assert code == 0, err
    read = bundle.read(tmp_path / "handed" / "bundle")
    assert (read.unsure, read.temperature) == (network.unsure, network.temperature)
    assert list(map(dict, read.trained_on)) == list(map(dict, network.trained_on))
    assert (tmp_path / "handed" / "MODEL_CARD.md").read_text() == bundle.read_card(
        pretrained.shipped("faces")
    )


# To start from.


@pytest.mark.parametrize("name", ["faces", "folder", "file"])
def test_a_training_starts_from_a_bundle(name, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = defaults()
    config.data.dir = "/somewhere"
    config.init["from"] = {"faces": "faces", "folder": "mine", "file": "mine.zip"}[name]
    if name != "faces":
        bundle.write(network, "# Card", tmp_path / config.init["from"])
    origin = initial_weights.read(config)
    assert (origin.network, origin.label_names, origin.image_size) == (
        "small_resnet", network.label_names, network.image_size,
    )  # fmt: skip
    assert origin.trained_on[0]["data"] == {**network.trained_on[0]["data"], "dir": "/somewhere"}
    kernel = origin.arrays["params/conv1/kernel"]
    np.testing.assert_array_equal(kernel, network.variables["params"]["conv1"]["kernel"])


@pytest.mark.slow
def test_a_run_from_a_bundle_records_it(tiny_run, never_killed, tmp_path):
    with tiny.registered():
        network = open_network(never_killed)
        bundle.write(network, "# Card", tmp_path / "mine", half=True)
    out = tiny_run.run(
        tmp_path / "run", f"--config.init.from={tmp_path / 'mine'}", "--config.train.max_steps=2"
    )
    assert "initial weights from" in out
    taken = json.loads((tmp_path / "run" / "init.json").read_text())
    assert taken["network"] == "tiny"
    assert {one["data"]["name"] for one in taken["trained_on"]} == {"fer2013"}


def test_a_damaged_bundle_to_start_from_is_told(tmp_path, tiny_model):
    bundle.write(trained_network(), "# Card", tmp_path / "bundle")
    config = tiny.tiny_configuration(init__from=str(tmp_path / "bundle"))
    (tmp_path / "bundle" / bundle.WEIGHTS).unlink()
    with pytest.raises(UserError, match=r"lacks its weights\.safetensors"):
        initial_weights.read(config)
