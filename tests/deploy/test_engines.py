"""Answers by onnxruntime are those of XLA, and the faster one is measured once."""

import json

import jax
import numpy as np
import pytest
from networks import pictures, trained_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ferjax.deploy import engines, export_check, onnx
from ferjax.errors import UserError


@pytest.fixture(scope="module")
def network():
    return trained_network("fer_cnn", options={"hidden": 8}, data__image_size=8, eval__batch_size=3)


@pytest.fixture
def kept(tmp_path):
    """The folder that compiled programs are kept in, for one test."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "engines"
    jax.config.update("jax_compilation_cache_dir", before)


def record(kept):
    (path,) = kept.glob("*.json")
    return path


@pytest.mark.slow
def test_both_engines_answer_alike(network, kept):
    images = pictures(7, 8)
    expected = engines.classifier(network, "xla").probabilities(images)
    found = engines.classifier(network, "onnxruntime").probabilities(images)
    np.testing.assert_allclose(found, expected, atol=export_check.TOLERANCE)
    assert len(list(kept.glob("*.onnx"))) == 1


def test_the_faster_one_is_measured_once_in_a_batch_size(network, kept, capsys, monkeypatch):
    times = iter(range(1000))
    # Each look at the clock is later than the one before by as much more: the first engine is faster.
    monkeypatch.setattr(engines.time, "perf_counter", lambda: next(times) ** 2)
    first = engines.classifier(network)
    images = pictures(4, 8)
    expected = first.probabilities(images[:1])
    assert capsys.readouterr().err.count("measuring once") == 1
    stored = json.loads(record(kept).read_text())
    assert stored["engines"] == {"1": "xla"}
    assert stored["seconds"]["1"].keys() == {"xla", "onnxruntime"}
    assert stored["seconds"]["1"]["xla"] < stored["seconds"]["1"]["onnxruntime"]
    assert list(kept.glob("*.onnx")) == []

    stored["engines"]["1"] = "onnxruntime"
    record(kept).write_text(json.dumps(stored))
    second = engines.classifier(network)
    assert isinstance(second.predict(images[:1]), np.ndarray)
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(second.probabilities(images[:1]), expected, atol=export_check.TOLERANCE)
    second.probabilities(images)
    assert "measuring once" in capsys.readouterr().err
    assert json.loads(record(kept).read_text())["engines"] == {"1": "onnxruntime", "3": "xla"}
    assert len(list(kept.glob("*.onnx"))) == 1


def test_a_record_that_is_none_is_measured_anew(network, kept):
    engines.classifier(network).predict(pictures(1, 8))
    record(kept).write_text("[]")
    engines.classifier(network).predict(pictures(1, 8))
    assert json.loads(record(kept).read_text())["engines"].keys() == {"1"}


@pytest.mark.slow
def test_another_network_is_measured_anew(network, kept):
    engines.classifier(network).predict(pictures(1, 8))
    engines.classifier(network._replace(temperature=2.0)).predict(pictures(1, 8))
    assert len(list(kept.glob("*.json"))) == 2


@pytest.mark.slow
def test_a_file_that_differs_is_never_used(network, kept, monkeypatch):
    wrong = onnx.model(network._replace(temperature=9.0))
    monkeypatch.setattr(onnx, "model", lambda network: wrong)
    engines.classifier(network).predict(pictures(1, 8))
    assert set(json.loads(record(kept).read_text())["engines"].values()) == {"xla"}
    assert list(kept.glob("*.onnx")) == []


def test_a_network_that_no_onnx_file_can_hold_is_translated_once_and_answered_by_xla(
    network, kept, monkeypatch
):
    tried = []

    def refuse(network):
        tried.append(network)
        raise UserError("no such operation")

    monkeypatch.setattr(onnx, "model", refuse)
    for _ in range(2):
        opened = engines.classifier(network)
        assert isinstance(opened.predict(pictures(1, 8)), jax.Array)
        assert isinstance(opened.predict(pictures(3, 8)), jax.Array)
    assert len(tried) == 1
    assert list(kept.glob("*.onnx")) == []


def test_a_folder_that_cannot_be_written_is_answered_by_xla(network, kept, monkeypatch):
    def refuse(*_):
        raise OSError("read-only file system")

    monkeypatch.setattr(engines, "write_atomic", refuse)
    assert isinstance(engines.classifier(network).predict(pictures(1, 8)), jax.Array)
    assert list(kept.glob("*")) == []


def test_a_network_is_known_by_all_of_its_weights(network):
    first = engines._digest(network)
    assert engines._digest(network) == first
    changed = jax.tree.map(np.array, network.variables)
    jax.tree.leaves(changed)[0].reshape(-1)[0] += 1e-3
    assert engines._digest(network._replace(variables=changed)) != first


@pytest.mark.parametrize("change", ["bfloat16", "not installed", "not kept"])
def test_without_onnxruntime_xla_answers_and_nothing_is_said(network, kept, capsys, monkeypatch, change):
    if change == "bfloat16":
        config = network.config.copy_and_resolve_references()
        config.train.precision = change
        network = network._replace(config=config)
    elif change == "not installed":
        monkeypatch.setitem(onnx.importlib.sys.modules, "onnxruntime", None)
        with pytest.raises(UserError, match="ONNX needs the package onnxruntime"):
            engines.classifier(network, "onnxruntime")
    else:
        jax.config.update("jax_compilation_cache_dir", None)
    assert isinstance(engines.classifier(network).predict(pictures(1, 8)), jax.Array)
    assert capsys.readouterr() == ("", "")
    assert not kept.exists()
