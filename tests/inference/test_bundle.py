"""Bundles: the same network out of the file, and nothing out of a file that is not what was written."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import pictures, trained_network

from ferjax import __version__
from ferjax.config import flat
from ferjax.errors import UserError
from ferjax.inference import bundle, bundle_files, layer_statistics, needed_memory
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network
from ferjax.scores import unlike
from ferjax.scores.conformal import Sets
from ferjax.scores.unlike import Unlike
from ferjax.scores.unsure import Unsure

CARD = "# A network\n"
SEEN = [{"data": {"name": "fer2013", "dir": "/home/somebody/data"}, "split_digests": {"train": "1"}}]
NAMES = ("weights.safetensors", "config.json", "network.json", "MODEL_CARD.md")


@pytest.fixture(autouse=True)
def _known(tiny_model):
    pass


@pytest.fixture(scope="module")
def network():
    with tiny.registered():
        return trained_network(data__dir="/home/somebody/data", init__from="runs/earlier")


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """The folder and the .zip, to read only, and what `write` gave."""
    place = tmp_path_factory.mktemp("written")
    digests = {name: bundle.write(network, CARD, place / name) for name in ("bundle", "bundle.zip")}
    return place, digests


@pytest.fixture(params=["bundle", "bundle.zip"])
def either(request, written):
    return written[0] / request.param


@pytest.fixture
def folder(written, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(written[0] / "bundle", tmp_path / "bundle")


def as_zip(folder):
    """The same as a .zip of the user's own."""
    return shutil.make_archive(folder.with_name("again"), "zip", folder)


def test_the_same_network_comes_out(either, network):
    read = bundle.read(either)
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a, b, strict=True), read.variables, network.variables
    )
    assert read.label_names == network.label_names
    assert (read.image_size, read.temperature, read.grey) == (16, 1.7, network.grey)
    differing = {name for name, value in flat(read.config) if dict(flat(network.config))[name] != value}
    assert differing == {"data.dir", "init.from"}
    images = pictures(3, read.input_size)
    np.testing.assert_array_equal(
        Classifier.of(read).probabilities(images), Classifier.of(network).probabilities(images)
    )
    assert bundle.read_card(either) == CARD


def test_it_is_read_like_a_workdir(either, network):
    assert open_network(str(either)).label_names == network.label_names


def test_no_path_of_the_machine_is_in_it(written):
    for file in (written[0] / "bundle").iterdir():
        assert b"somebody" not in file.read_bytes()
        assert b"runs/earlier" not in file.read_bytes()


def test_the_same_network_gives_the_same_bytes(written, network, tmp_path):
    place, digests = written
    assert bundle.write(network, CARD, tmp_path / "b.zip") == digests["bundle"] == digests["bundle.zip"]
    assert (tmp_path / "b.zip").read_bytes() == (place / "bundle.zip").read_bytes()
    assert digests["bundle"] == hashlib.sha256((place / "bundle" / "manifest.json").read_bytes()).hexdigest()


def test_nothing_is_overwritten(written, network):
    for name in ("bundle", "bundle.zip"):
        with pytest.raises(FileExistsError):
            bundle.write(network, CARD, written[0] / name)


def test_a_zip_of_the_folder_and_files_beside_do_not_matter(folder, network):
    (folder / "notes.txt").write_text("mine")
    for path in (folder, as_zip(folder)):
        assert bundle.read(path).label_names == network.label_names


def test_what_is_a_bundle(either, folder, tmp_path):
    assert bundle.is_bundle(either)
    (folder / "manifest.json").unlink()
    (tmp_path / "file").write_text("text")
    assert not any(map(bundle.is_bundle, (folder, tmp_path / "file", tmp_path / "nowhere")))


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(NAMES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(written, network, tmp_path_factory, name, place, bit):
    spoilt = shutil.copytree(written[0] / "bundle", tmp_path_factory.mktemp("spoilt") / "bundle")
    content = bytearray((spoilt / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (spoilt / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} was changed"):
        bundle.read(spoilt)


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_manifest_is_told_or_does_not_matter(written, network, tmp_path_factory, place, value):
    spoilt = shutil.copytree(written[0] / "bundle", tmp_path_factory.mktemp("spoilt") / "bundle")
    content = bytearray((spoilt / "manifest.json").read_bytes())
    content[int(place * len(content))] = value
    (spoilt / "manifest.json").write_bytes(content)
    with tiny.registered():
        try:
            read = bundle.read(spoilt)
        except UserError:
            return
    jax.tree.map(np.testing.assert_array_equal, read.variables, network.variables)


@pytest.mark.parametrize("name", ["half", "half.zip"])
def test_half_the_bytes_give_the_rounded_network(network, tmp_path, name):
    network = network._replace(unsure=Unsure(0.4, 0.8, 0.7), sets=Sets(0.9, 0.07), trained_on=SEEN)
    bundle.write(network, CARD, tmp_path / name, half=True)
    read = bundle.read(tmp_path / name)
    jax.tree.map(np.testing.assert_array_equal, read.variables, bundle.halved(network).variables)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2**-11, atol=2**-24),
        read.variables["params"],
        network.variables["params"],
    )
    jax.tree.map(
        np.testing.assert_array_equal, read.variables["batch_stats"], network.variables["batch_stats"]
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(read.variables)} == {np.dtype("float32")}
    assert read.unsure == network.unsure
    assert read.sets == network.sets
    assert read.trained_on == ({**SEEN[0], "data": {"name": "fer2013", "dir": ""}},)


def test_what_is_unlike_training_is_told_by_the_bundle_as_by_the_network(network, tmp_path):
    images = pictures(6, network.input_size)
    features = layer_statistics.statistics(network, "conv2", images)
    network = network._replace(unlike=unlike.fit("conv2", features[:4], features[:4]))
    bundle.write(network, CARD, tmp_path / "bundle")
    read = bundle.read(tmp_path / "bundle")
    assert read.unlike.to_json() == network.unlike.to_json()
    told = Classifier.of(read).answers(images).unlike
    assert told.tolist() == (network.unlike.distances(features) > network.unlike.above).tolist()
    assert Classifier.of(read).answers(images[:0]).unlike.shape == (0,)
    assert Classifier.of(read._replace(unlike=None)).answers(images).unlike is None


def _features_of(layer, count):
    text = Unlike(layer, 1.0, 0.95, np.zeros(count, np.float32), np.eye(count, dtype=np.float32)).to_json()
    return says(unlike=text)


def test_only_half_weights_need_a_newer_ferjax(network, tmp_path):
    for half, version in ((False, 1), (True, 2)):
        bundle.write(network, CARD, tmp_path / f"{half}", half=half)
        assert json.loads((tmp_path / f"{half}" / "manifest.json").read_text())["version"] == version
    sizes = [(tmp_path / name / "weights.safetensors").stat().st_size for name in ("True", "False")]
    assert sizes[0] < sizes[1]


def cut(name):
    def spoil(folder):
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])

    return spoil


def remove(name):
    return lambda folder: (folder / name).unlink()


def manifest(**changes):
    """Fields of the manifest; None takes one out."""

    def spoil(folder):
        found = json.loads((folder / "manifest.json").read_text()) | changes
        (folder / "manifest.json").write_text(json.dumps({k: v for k, v in found.items() if v is not None}))

    return spoil


def entry(name, fields):
    """A file that the manifest tells of, besides or instead of another."""

    def spoil(folder):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        manifest(files={key: value for key, value in {**files, name: fields}.items() if value})(folder)

    return spoil


def content(name, text):
    """A file anew, with a manifest that fits it."""

    def spoil(folder):
        data = text(folder) if callable(text) else text
        (folder / name).write_bytes(data)
        fields = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        entry(name, fields)(folder)

    return spoil


def another_model(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["features"] = 4
    return json.dumps(config).encode()


def unknown_field(folder):
    config = json.loads((folder / "config.json").read_text())
    config["data"]["imagesize"] = 4
    return json.dumps(config).encode()


def changed(group, fields):
    """The config with fields of a group in place of its own, or with something else in a group's place."""

    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        known = isinstance(fields, dict) and isinstance(config.get(group), dict) and group != "model"
        return json.dumps({**config, group: {**config[group], **fields} if known else fields}).encode()

    return change


def not_numbers(folder):
    arrays = safetensors.numpy.load_file(folder / "weights.safetensors")
    return safetensors.numpy.save({key: np.full_like(array, np.nan) for key, array in arrays.items()})


def eight_bits(folder):
    arrays = safetensors.numpy.load_file(folder / "weights.safetensors")
    header = {
        key: {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [place, place + 1]}
        for place, key in enumerate(arrays)
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(len(arrays))


def says(**changes):
    about = {"label_names": ["a", "b", "c", "d", "e", "f", "g"], "temperature": 1.5, **changes}
    return content("network.json", json.dumps(about).encode())


GOOD = {"bytes": 3, "sha256": "00"}
BAD = {
    **{f"cut {name}": (cut(name), f"{name} was changed") for name in NAMES},
    **{f"no {name}": (remove(name), f"lacks its {name}") for name in NAMES},
    "no manifest": (remove("manifest.json"), "is no bundle: it has no manifest.json"),
    "empty manifest": (lambda folder: (folder / "manifest.json").write_text(""), "is not valid JSON"),
    "deep manifest": (lambda folder: (folder / "manifest.json").write_text("[" * 99999), "is not valid JSON"),
    "huge manifest": (lambda folder: (folder / "manifest.json").write_text(" " * 2**21), "is no bundle"),
    "a list": (lambda folder: (folder / "manifest.json").write_text("[]"), "is no bundle"),
    "another format": (manifest(format="zip"), "is no bundle"),
    "newer": (manifest(version=3), f"of format 3, and ferjax {__version__} reads formats up to 2: upgrade"),
    "version as text": (manifest(version="1"), "manifest.json is damaged"),
    "version 0": (manifest(version=0), "manifest.json is damaged"),
    "no files": (manifest(files=None), "manifest.json is damaged"),
    "files as list": (manifest(files=["weights.safetensors"]), "manifest.json is damaged"),
    "huge file": (entry("config.json", {**GOOD, "bytes": 2**40}), "manifest.json is damaged"),
    "negative size": (entry("config.json", {**GOOD, "bytes": -1}), "manifest.json is damaged"),
    "no hash": (entry("config.json", {"bytes": 3}), "manifest.json is damaged"),
    "a path out": (entry("../../etc/passwd", GOOD), "names '../../etc/passwd', no file of a bundle"),
    "an absolute path": (entry("/etc/passwd", GOOD), "names '/etc/passwd', no file of a bundle"),
    "one less": (entry("MODEL_CARD.md", None), "does not name MODEL_CARD.md"),
    "no weights": (content("weights.safetensors", b"\x80\x04K*."), "is no .safetensors"),
    "other weights": (content("config.json", another_model), "does not fit the network in config.json"),
    "no config": (content("config.json", b"[1]"), "is not the config of a run"),
    "unknown field": (content("config.json", unknown_field), "no field 'data.imagesize'"),
    "other classes": (says(label_names=["a", "b"]), "does not fit the network in config.json"),
    "no classes": (says(label_names=[]), "does not hold classes and temperature"),
    "numbers for classes": (says(label_names=[1] * 7), "does not hold classes and temperature"),
    "temperature 0": (says(temperature=0.0), "does not hold classes and temperature"),
    "temperature near 0": (says(temperature=1e-12), "does not hold classes and temperature"),
    "temperature True": (says(temperature=True), "does not hold classes and temperature"),
    "a threshold of 2": (says(unsure={"below": 2, "accuracy": 1, "coverage": 1}), "does not hold classes"),
    "a set of 2": (says(sets={"coverage": 2, "smallest": 0.1}), "does not hold classes and temperature"),
    "a threshold alone": (says(unsure=0.5), "does not hold classes and temperature"),
    "features of no layer": (says(unlike={"layer": "conv2"}), "does not hold classes and temperature"),
    "another layer": (_features_of("conv9", 32), "describes 32 features of a layer that the network lacks"),
    "fewer features": (_features_of("conv2", 31), "describes 31 features of a layer that the network lacks"),
    "a layer without maps": (_features_of("fc", 14), "describes 14 features of a layer that the network"),
    "trained on a name": (says(trained_on=["fer2013"]), "does not hold classes and temperature"),
    "classes twice": (says(label_names=["a"] * 7), "does not hold classes and temperature"),
    "an escape in a class": (says(label_names=[*"abcdef", "\x1b[2J"]), "does not hold classes"),
    "a large text": (entry("config.json", {**GOOD, "bytes": 2**21}), "config.json is not so large"),
    "weights of 2 GiB": (entry("weights.safetensors", {**GOOD, "bytes": 2**31}), "does not fit the"),
    "weights that are NaN": (content("weights.safetensors", not_numbers), "arrays hold NaN or infinity"),
    "eight bits": (content("weights.safetensors", eight_bits), "is no .safetensors"),
    **{f"config {got!r}": (content("config.json", changed(group, got)), told) for group, got, told in (
        ("model", {"name": 5}, "is not the config of a run"),
        ("model", {"name": "tiny", "features": -1}, "model.features"),
        ("model", {"name": "tiny", "features": "wide"}, "model.features takes a int"),
        ("model", {"name": "tiny", "features": 10**9}, "model.features"),
        ("model", {"name": "tiny", "dropout": 2.0}, "model.dropout"),
        ("model", {"name": "tiny", "widht": 3}, "has no option 'widht'"),
        ("model", [], "config.json"),
        ("model", 5, "config.json"),
        ("data", {"image_size": -1}, "data.image_size"),
        ("data", {"image_size": 10**9}, "data.image_size"),
        ("data", {"image_size": "large"}, "data.image_size takes a int"),
        ("data", {"image_size": None}, "data.image_size"),
        ("data", {"image_size": True}, "data.image_size"),
        ("data", {"image_size": 1e308}, "data.image_size"),
        ("eval", {"batch_size": 10**12}, "eval.batch_size"),
        ("eval", {"crops": 3}, "eval.crops"),
        ("train", {"precision": "float1"}, "train.precision"),
        ("nonsense", {"a": 1}, "nonsense"),
        ("a.b", {"a": 1}, "config.json"),
        ("", {"": {}}, "config.json"),
        ("stages", {"stage1": 3}, "config.json"),
    )},
    "nothing told": (content("network.json", b"3"), "does not hold classes and temperature"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_bundles_are_told_as_folder_and_as_zip(folder, what):
    spoil, told = BAD[what]
    spoil(folder)
    for path in (folder, as_zip(folder)):
        with pytest.raises(UserError) as caught:
            bundle.read(path)
        assert told in str(caught.value)
        assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("name", ["manifest.json", "config.json", "weights.safetensors"])
def test_a_pipe_in_a_files_place_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{name} is no file, but a pipe or a device"):
        bundle.read(folder)


def test_what_is_neither_a_folder_nor_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "nothing").symlink_to(tmp_path / "nowhere")
    for name, words in (("pipe.zip", "is neither a folder nor a file"), ("nothing", "is a link to nothing")):
        with pytest.raises(UserError, match=words):
            bundle.read(tmp_path / name)
        assert not bundle.is_bundle(tmp_path / name)


@pytest.mark.parametrize(("data", "words"), [
    (b"<!DOCTYPE html><html>Sign in</html>", "it is a web page, not the file"),
    (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
    (b"\x1f\x8b\x08" + bytes(9), "it is a gzip archive; unpack it"),
])  # fmt: skip
def test_another_file_is_called_what_it_is(tmp_path, data, words):
    (tmp_path / "bundle.zip").write_bytes(data)
    with pytest.raises(UserError, match=words):
        bundle.read(tmp_path / "bundle.zip")


def test_a_network_that_is_too_large_for_the_machine_is_refused_before_its_weights_are_read(
    folder, monkeypatch
):
    content("config.json", changed("data", {"image_size": 4096}))(folder)
    (folder / "weights.safetensors").unlink()
    monkeypatch.setattr(needed_memory, "available", lambda: 2**30)
    with pytest.raises(
        UserError, match=r"about 1\.0 GiB for one picture of 4096×4096, and this machine has 2\.0"
    ):
        bundle.read(folder)


def test_weights_that_unpack_to_much_more_are_not_unpacked(written, tmp_path):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(written[0] / "bundle.zip") as good,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            bad.writestr(name, bytes(2**24) if name == "weights.safetensors" else good.read(name))
    with pytest.raises(UserError, match=r"weights\.safetensors unpacks to more than 50 times its size"):
        bundle.read(path)


def test_links_are_not_followed(folder, tmp_path):
    (folder / "config.json").rename(tmp_path / "elsewhere.json")
    (folder / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UserError, match="links out of a bundle are not followed"):
        bundle.read(folder)


def test_a_folder_in_a_files_place(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        bundle.read(folder)


def test_what_is_no_zip_or_a_damaged_one(written, tmp_path):
    whole = (written[0] / "bundle.zip").read_bytes()
    for number, data in enumerate((b"", b"text", whole[:-30], whole[: len(whole) // 2])):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        with pytest.raises(UserError, match="cannot be read as a"):
            bundle.read(path)
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 1  # the archive's own check sees it first
    (tmp_path / "flipped.zip").write_bytes(spoilt)
    with pytest.raises(UserError, match=r"cannot be read as a \.zip|was changed"):
        bundle.read(tmp_path / "flipped.zip")
    with pytest.raises(UserError, match="does not exist"):
        bundle.read(tmp_path / "nowhere")


def test_a_zip_bomb_is_not_unpacked(written, tmp_path):
    """A file that unpacks to more than the manifest tells is read no further than one byte beyond."""
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(written[0] / "bundle.zip") as good,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, data + bytes(2**26) if name == "config.json" else data)
    with pytest.raises(UserError, match=r"config\.json was changed"):
        bundle.read(path)


def test_what_fails_while_a_zip_is_open_is_not_blamed_on_it(folder):
    with pytest.raises(RuntimeError, match="no such device"), bundle_files.opened(Path(as_zip(folder))):
        raise RuntimeError("no such device")


def test_the_folder_that_holds_a_bundle_leads_to_it(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"is no bundle: it has no manifest\.json; name .*/bundle$"):
        bundle.read(tmp_path)
