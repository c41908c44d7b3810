"""A trained network in hand says what its weights say, whatever else is in the batch."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import trained_network
from PIL import Image
from untrained import LABELS, write_run

from ferjax.augment import normalise
from ferjax.data import builders
from ferjax.data.resize import resize
from ferjax.errors import UserError
from ferjax.inference import bundle, classifier, needed_memory, trained
from ferjax.inference.open_run import open_network

SETTINGS = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def network(colour_run):
    return open_network(colour_run)


@pytest.fixture(scope="module")
def asked(network):
    return classifier.Classifier.of(network)


def faces(count, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def direct(network, images):
    @jax.jit
    def probabilities(variables, images):
        logits = network.model.apply(variables, normalise(images), train=False)
        return jax.nn.softmax(logits / (network.temperature or 1.0))

    return np.asarray(probabilities(network.variables, images))


def test_probabilities_are_those_of_the_model(network, asked):
    images = faces(5)
    np.testing.assert_allclose(asked.probabilities(images), direct(network, images), atol=1e-6)


@SETTINGS
@given(st.permutations(range(9)), st.integers(0, 9))
def test_neither_order_nor_neighbours_nor_padding_change_a_face(asked, order, count):
    images = faces(9)
    whole = asked.probabilities(images)
    chosen = list(order)[:count]
    found = asked.probabilities(images[chosen])
    assert found.shape == (count, len(LABELS))
    np.testing.assert_allclose(found, whole[chosen], atol=1e-6)


def test_more_faces_than_fit_at_once(asked):
    images = faces(asked.batches[-1] * 2 + 3)
    found = asked.probabilities(images)
    np.testing.assert_allclose(found[-1], asked.probabilities(images[-1:])[0], atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_few_programs_serve_all_numbers_of_faces(asked):
    assert asked.batches == (1, 8, 16)


def test_preprocessing_resizes_as_the_training_did(asked):
    crops = [faces(1, size)[0] for size in (16, 33, 7)]
    found = asked.preprocess(crops)
    for image, crop in zip(found, crops, strict=True):
        np.testing.assert_array_equal(image, resize(crop, 16) if len(crop) != 16 else crop)
    assert asked.preprocess([]).shape == (0, 16, 16, 3)


@pytest.mark.slow
def test_the_temperature_and_the_crops_are_the_runs_own(network):
    network.config.eval.crops = "flip"
    try:
        images = faces(4)
        warm = network._replace(temperature=2.5)
        # The mean of an image's and its mirror image's probabilities, then calibrated, as evaluation does.
        mean = (direct(network, images) + direct(network, images[:, :, ::-1])) / 2
        expected = mean ** (1 / 2.5) / (mean ** (1 / 2.5)).sum(-1, keepdims=True)
        found = classifier.Classifier.of(warm).probabilities(images)
    finally:
        network.config.eval.crops = "none"
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_a_network_of_grey_images_sees_grey(tiny_registered, tmp_path):
    grey = classifier.load(write_run(tmp_path / "grey", data__name="fer2013"))
    crops = faces(3, 24)
    seen = grey.preprocess(crops)
    for image, crop in zip(seen, crops, strict=True):
        luma = np.asarray(Image.fromarray(crop).convert("L"))[:, :, None]
        np.testing.assert_array_equal(image, np.repeat(resize(luma, 16), 3, -1))
    coloured = faces(3)
    luma = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in coloured])
    np.testing.assert_array_equal(np.asarray(trained.luma(jnp.asarray(coloured)))[..., 0], luma)
    np.testing.assert_array_equal(
        grey.probabilities(coloured), grey.probabilities(np.repeat(luma[..., None], 3, -1))
    )


def test_the_sets_of_grey_images_are_known():
    grey = {name for name in builders.names() if trained.trained_on_grey(None, name)}
    assert grey == {"ckplus", "fer2013", "ferplus", "jaffe"}
    assert not trained.trained_on_grey(None, "gone")


def test_no_code_of_a_run_or_bundle_is_imported_to_learn_about_grey(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert not trained.trained_on_grey(None, "trap:Set")


@pytest.mark.parametrize("grey", [False, True])
def test_a_run_and_its_bundle_record_whether_faces_are_grey(tiny_registered, tmp_path, monkeypatch, grey):
    monkeypatch.setenv("FERJAX_TRUSTED_CODE", "gone.package:Set")
    run = write_run(tmp_path / "run", data__name="gone.package:Set", grey=grey)
    network = open_network(run)
    bundle.write(network, "card", tmp_path / "bundle")
    assert network.grey == open_network(tmp_path / "bundle").grey == grey


def test_a_batch_is_as_large_as_there_is_memory_for(tiny_registered, monkeypatch):
    network = trained_network(eval__batch_size=2**18)
    # One picture of 16×16 takes 8 channels of float32, twice.
    for room, largest in ((100, 100), (2**20, 2**18), (0.5, 1)):
        monkeypatch.setattr(needed_memory, "available", lambda room=room: int(room * 16 * 16 * 8 * 4 * 2))
        assert classifier.Classifier.of(network).batches[-1] == largest


def test_an_unfinished_run_is_not_calibrated_and_a_warning_says_so(colour_run, caplog):
    assert open_network(colour_run).temperature is None
    assert "is not finished" in caplog.text


@pytest.mark.slow  # the run is trained for it
def test_a_finished_run_is_calibrated(never_killed, tiny_registered, caplog):
    network = open_network(never_killed)
    result = json.loads((never_killed / "result.json").read_text())
    assert network.temperature == result["probabilities"]["temperature"]
    assert network.label_names == tuple(result["label_names"])
    assert network.image_size == network.input_size == 16
    assert not [record for record in caplog.records if record.name.startswith("ferjax")]


def test_weights_without_a_config_are_refused(colour_run, tmp_path):
    folder = shutil.copytree(colour_run, tmp_path / "import")
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="holds weights without a config"):
        open_network(folder)


def test_a_bundle_says_the_same_as_its_run(network, asked, tmp_path):
    bundle.write(network, "# Card", tmp_path / "network.zip")
    images = faces(3)
    found = classifier.load(tmp_path / "network.zip").probabilities(images)
    np.testing.assert_array_equal(found, asked.probabilities(images))


@pytest.mark.parametrize("what", ["empty", "nowhere"])
def test_a_folder_without_a_network_is_refused(tmp_path, what):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError):
        open_network(tmp_path / what)
